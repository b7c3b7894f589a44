/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CSV as csv.h has it:
 *
 *	head = CORNER { "," GROUP }
 *	row  = GROUP { "," CELL }	a way leads from the row's group to the column's
 *
 * CORNER is any text. With a unit of time at its end, as in "rtt (ms)" or "delay_ms", cells are
 * bare numbers of that unit; without one each cell has its own. A cell that is empty, or "-",
 * is not given, and so are those that a row ends without. Groups stand in any order, each once
 * a side.
 */
#include "latencyfile.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "csv.h"
#include "value.h"

struct table {
	struct latency *l;
	const struct textfile *t;
	struct problems *problems;
	char unit[CELL_MAX]; /* "": each cell has its own */
	uint32_t column[LATENCY_GROUPS_MAX]; /* its group, or NO_GROUP: not one, and told */
	uint32_t ncolumns;
	bool has_column[LATENCY_GROUPS_MAX]; /* by group */
	bool bare; /* a number without a unit was told: the mend is one for all of them */
};

#define wrong(table, at, ...) textfile_problem((table)->t, (at), (table)->problems, __VA_ARGS__)

/* False: told. */
static bool copy(char ret[CELL_MAX], struct table *f, struct span cell)
{
	if (csv_copy(ret, cell))
		return true;
	wrong(f, cell.p, CELL_TOO_LONG, (size_t)(cell.end - cell.p), CELL_MAX - 1);
	return false;
}

/* The group that @cell names, or NO_GROUP: told. */
static uint32_t take_group(struct table *f, struct span cell)
{
	char name[CELL_MAX];
	struct choppy_err err = { 0 };
	uint32_t g;

	if (!copy(name, f, cell))
		return NO_GROUP;
	g = latency_group(f->l, name, &err);
	if (g == NO_GROUP)
		wrong(f, cell.p, "%s", err.msg);
	return g;
}

/* ------------------------------------------------------------------ head */

static void take_corner(struct table *f, struct span cell)
{
	char corner[CELL_MAX], one[CELL_MAX + 1];
	const char *unit;
	uint64_t ns;

	if (!copy(corner, f, cell))
		return;
	unit = csv_cut_unit(corner);
	if (!unit)
		return;
	snprintf(one, sizeof(one), "1%s", unit);
	if (latency_value(&ns, f->l, one, NULL) == 0)
		snprintf(f->unit, sizeof(f->unit), "%s", unit);
}

static void take_column(struct table *f, struct span cell)
{
	uint32_t g = take_group(f, cell);

	if (g != NO_GROUP && f->has_column[g])
		wrong(f, cell.p, "group %s has a column already", f->l->name[g]);
	else if (g != NO_GROUP)
		f->has_column[g] = true;
	f->column[f->ncolumns++] = g;
}

/* False: what follows cannot be read. */
static bool take_head(struct table *f, struct span head)
{
	bool more;

	take_corner(f, csv_cell(&head, &more));
	if (!more) {
		wrong(f, head.p, "the first line names the groups: from,eu,us");
		return false;
	}
	while (more) {
		struct span cell = csv_cell(&head, &more);

		if (f->ncolumns == LATENCY_GROUPS_MAX) {
			wrong(f, cell.p, "one column too many: there are at most %d groups",
			      LATENCY_GROUPS_MAX);
			return false;
		}
		take_column(f, cell);
	}
	return true;
}

/* ------------------------------------------------------------------ rows */

static bool is_bare(const char *text)
{
	return text[strspn(text, "0123456789.")] == '\0';
}

static bool is_empty(struct span cell)
{
	return cell.p == cell.end || (cell.end - cell.p == 1 && *cell.p == '-');
}

static void take_value(struct table *f, struct span cell, uint64_t *ret)
{
	char text[2 * CELL_MAX], word[WORD_BYTES];
	struct choppy_err err = { 0 };

	if (!copy(text, f, cell))
		return;
	word_shown(word, text);
	if (!*f->unit && is_bare(text)) {
		if (!f->bare)
			wrong(f, cell.p,
			      "%s has no unit: %sms, or in the first cell for all of them: "
			      "from (ms)",
			      word, word);
		f->bare = true;
	} else if (!csv_add_unit(text, f->unit)) {
		wrong(f, cell.p,
		      "'%s': the first cell gives the unit (%s), here a bare number is due", word,
		      f->unit);
	} else if (latency_value(ret, f->l, text, &err) < 0) {
		wrong(f, cell.p, "%s", err.msg);
	}
}

static void take_cells(struct table *f, struct span row, uint32_t from)
{
	bool more = true;

	for (uint32_t i = 0; more; i++) {
		struct span cell = csv_cell(&row, &more);
		uint32_t to = i < f->ncolumns ? f->column[i] : NO_GROUP;

		if (i == f->ncolumns) {
			wrong(f, cell.p, "one cell too many: the first line names %u group%s",
			      f->ncolumns, f->ncolumns == 1 ? "" : "s");
			return;
		}
		if (to == NO_GROUP || is_empty(cell))
			continue;
		f->l->at[from][to] = cell.p;
		take_value(f, cell, &f->l->ns[from][to]);
	}
}

static void take_row(struct table *f, struct span row)
{
	bool more;
	struct span cell = csv_cell(&row, &more);
	uint32_t from = take_group(f, cell);

	if (from == NO_GROUP)
		return;
	if (f->l->row_at[from]) {
		wrong(f, cell.p, "group %s has a row already", f->l->name[from]);
		return;
	}
	f->l->row_at[from] = cell.p;
	if (more)
		take_cells(f, row, from);
}

int latency_read(struct latency *l, const struct textfile *t, struct problems *problems)
{
	struct table f = { .l = l, .t = t, .problems = problems };
	struct choppy_err err = { 0 };
	const char *p = t->text;
	int before = problems->n;
	struct span row;

	if (textfile_check(t, &err) < 0)
		problems_say(problems, err.msg);
	else if (!csv_row(t, &p, &row))
		wrong(&f, p, "there is nothing: the first line names the groups: from,eu,us");
	else if (take_head(&f, row))
		while (csv_row(t, &p, &row))
			take_row(&f, row);
	return problems->n > before ? -EINVAL : 0;
}
