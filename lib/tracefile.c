/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two forms, told apart by the first line that says anything: digits alone are a
 * mahimahi trace, a word is the head of a CSV.
 *
 * mahimahi (its source, packetshell/link_queue.cc, and mm-link(1)): each line is a whole
 * number of milliseconds from the start, a chance to deliver 1500 bytes; none is less than the one
 * before, the last is above 0 and is the period. No empty line, no comment.
 *
 * CSV: cells between commas, spaces around them without meaning. `#` begins a comment
 * that ends with the line; lines without anything else are passed over.
 *
 *	head = "time" { "," NAME }	each NAME as it is, NAME_UNIT or "NAME (UNIT)"
 *	row  = TIME { "," CELL }
 *
 * NAME is a field of a condition (choppy_fields()) that is one number, - and _ being the same.
 * With a unit in the head the column's cells are bare numbers, without one each cell has its own,
 * as on a command line; a flag is 0 or 1. A cell may be `off`, or empty: what was in force
 * stays; the first row has no empty ones, so that every round is the same. Times begin
 * with 0 and ascend. The trace ends where a last row says that has nothing but its time, else
 * the last row lasts as long as the one before it.
 */
#include "tracefile.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "csv.h"
#include "err.h"
#include "textfile.h"
#include "util.h"
#include "value.h"

#define MS_NS 1000000u

struct column {
	struct choppy_field_row row; /* the field's, or one for the time */
	uint32_t field;
	char unit[CELL_MAX]; /* "": each cell has its own */
	bool has_unit; /* amounts: @amount_unit is known */
	uint32_t amount_unit;
};

struct csv {
	struct textfile t;
	uint32_t ncolumns; /* with the time */
	struct column column[1 + TRACE_COLUMNS_MAX];
	uint64_t *cells;
	uint32_t nrows, room;
};

static const struct choppy_field_row time_row = { .name = "time",
						  .kind = CHOPPY_KIND_TIME,
						  .max = TRACE_TIME_MAX_NS };

/* ----------------------------------------------------------------- the text */

/* @s as a string. */
static int copy(char ret[CELL_MAX], const struct textfile *t, struct span s, struct choppy_err *err)
{
	if (csv_copy(ret, s))
		return 0;
	return textfile_wrong(err, t, s.p, CELL_TOO_LONG, (size_t)(s.end - s.p), CELL_MAX - 1);
}

/* What value_parse() says, with the place before it. */
static int wrong_value(struct choppy_err *err, const struct textfile *t, const char *at,
		       const struct choppy_err *why)
{
	return textfile_wrong(err, t, at, "%s", why->msg);
}

/* ----------------------------------------------------------------- mahimahi */

static bool is_number(struct span s)
{
	const char *p = s.p;

	while (p < s.end && isdigit((unsigned char)*p))
		p++;
	return p == s.end && s.p < s.end;
}

static int take_chance(uint32_t *ret, const struct textfile *t, struct span line, uint32_t before,
		       struct choppy_err *err)
{
	const uint64_t max = TRACE_TIME_MAX_NS / MS_NS;
	uint64_t ms = 0;
	const char *p;

	if (line.p == line.end)
		return textfile_wrong(err, t, line.p,
				      "an empty line: a mahimahi trace has none, remove it");
	if (!is_number(line))
		return textfile_wrong(
			err, t, line.p,
			"a mahimahi trace has one whole number of milliseconds a line and "
			"nothing else");
	for (p = line.p; p < line.end && ms <= max; p++)
		ms = 10 * ms + (uint64_t)(*p - '0');
	if (ms > max)
		return textfile_wrong(err, t, line.p, "more than %llu ms, the most there may be",
				      (unsigned long long)max);
	if (ms < before)
		return textfile_wrong(err, t, line.p,
				      "%llu is less than %u before it: chances are in order",
				      (unsigned long long)ms, before);
	*ret = (uint32_t)ms;
	return 0;
}

static int parse_chances(uint32_t *chances, uint32_t *ret_n, const struct textfile *t,
			 struct choppy_err *err)
{
	const char *p = t->text;
	struct span line = { p, p };
	uint32_t n = 0, ms = 0;
	int r;

	while (p < t->text + t->len) {
		line = csv_line(t, &p);
		if (line.end > line.p && line.end[-1] == '\r')
			line.end--;
		if (n == TRACE_CHANCES_MAX)
			return textfile_wrong(err, t, line.p,
					      "one line too many: a mahimahi trace has %u at most",
					      TRACE_CHANCES_MAX);
		r = take_chance(&ms, t, line, ms, err);
		if (r < 0)
			return r;
		chances[n++] = ms;
	}
	if (!ms)
		return textfile_wrong(err, t, line.p,
				      "the last number is the period: it must be above 0");
	*ret_n = n;
	return 0;
}

static uint32_t count_lines(const struct textfile *t)
{
	const char *p = t->text;
	uint32_t n = 0;

	while (p < t->text + t->len && n < TRACE_CHANCES_MAX) {
		csv_line(t, &p);
		n++;
	}
	return n;
}

static int parse_mahimahi(struct trace *ret, const struct textfile *t, struct choppy_err *err)
{
	CLEANUP_FREE uint32_t *chances = malloc(count_lines(t) * sizeof(*chances));
	uint32_t n = 0;
	int r;

	if (!chances)
		return err_sys(err, -ENOMEM, "cannot read %s", t->name);
	r = parse_chances(chances, &n, t, err);
	if (r < 0)
		return r;
	*ret = (struct trace){
		.nrows = n,
		.period_ns = (uint64_t)chances[n - 1] * MS_NS,
		.chance_ms = chances,
	};
	chances = NULL;
	return 0;
}

/* ----------------------------------------------------------------- CSV: head */

static bool one_number(enum choppy_kind kind)
{
	static const bool is[CHOPPY_NKINDS] = {
		[CHOPPY_KIND_TIME] = true, [CHOPPY_KIND_PROBABILITY] = true,
		[CHOPPY_KIND_RATE] = true, [CHOPPY_KIND_AMOUNT] = true,
		[CHOPPY_KIND_SIZE] = true, [CHOPPY_KIND_COUNT] = true,
		[CHOPPY_KIND_MEAN] = true, [CHOPPY_KIND_FLAG] = true,
	};

	return is[kind];
}

/* Names as they are in a head: no difference between - and _, nor of case. */
static bool same_name(const char *a, const char *b)
{
	for (; *a && *b; a++, b++) {
		char x = *a == '_' ? '-' : (char)tolower((unsigned char)*a);

		if (x != *b)
			return false;
	}
	return *a == *b;
}

/* The row of the field or time that is called @name; NULL: there is none. */
static const struct choppy_field_row *find_row(const char *name)
{
	uint32_t f;

	if (same_name(name, time_row.name))
		return &time_row;
	for (f = 0; f < CHOPPY_NFIELDS; f++)
		if (same_name(name, choppy_fields()[f].name))
			return &choppy_fields()[f];
	return NULL;
}

/* Cut @head into its name and its unit, which may be "". */
static const struct choppy_field_row *split_head(char *head, const char **ret_unit)
{
	const struct choppy_field_row *row = find_row(head);
	const char *unit = row ? "" : csv_cut_unit(head);

	if (!unit)
		return NULL;
	*ret_unit = unit;
	return row ? row : find_row(head);
}

/* Whether a bare number is a value of the column's kind: a count has no unit. */
static bool bare_kind(enum choppy_kind kind)
{
	return kind == CHOPPY_KIND_COUNT || kind == CHOPPY_KIND_MEAN || kind == CHOPPY_KIND_FLAG;
}

/* Take the head's unit over when there is such a one. */
static int take_unit(struct column *c, const struct textfile *t, const char *at, const char *unit,
		     struct choppy_err *err)
{
	struct choppy_field_row any = c->row;
	struct choppy_amount one = { 0 };
	char text[CELL_MAX + 8];
	struct choppy_err why;

	if (!*unit)
		return 0;
	if (bare_kind(c->row.kind))
		return textfile_wrong(err, t, at, "%s has no unit: call the column %s", c->row.name,
				      c->row.name);
	snprintf(c->unit, sizeof(c->unit), "%s", strcasecmp(unit, "percent") == 0 ? "%" : unit);
	snprintf(text, sizeof(text), "1%s", c->unit);
	any.min = 0;
	any.max = UINT64_MAX;
	if (value_parse(&one, &any, text, &why) < 0)
		return wrong_value(err, t, at, &why);
	c->has_unit = true;
	c->amount_unit = one.unit;
	return 0;
}

static int parse_name(struct column *c, const struct textfile *t, struct span cell,
		      struct choppy_err *err)
{
	char head[CELL_MAX], shown[WORD_BYTES];
	const struct choppy_field_row *row;
	const char *unit;
	int r = copy(head, t, cell, err);

	if (r < 0)
		return r;
	word_shown(shown, head);
	row = split_head(head, &unit);
	if (!row)
		return textfile_wrong(
			err, t, cell.p,
			"there is no column '%s': use time, delay, jitter, loss, rate, "
			"limit, outage or another field, with its unit as in time_s",
			shown);
	if (!one_number(row->kind))
		return textfile_wrong(err, t, cell.p, "%s is no number that a trace could change",
				      row->name);
	c->row = *row;
	c->field = row == &time_row ? CHOPPY_NFIELDS : (uint32_t)(row - choppy_fields());
	return take_unit(c, t, cell.p, unit, err);
}

static int check_place(const struct csv *f, const struct column *c, struct span cell,
		       struct choppy_err *err)
{
	uint32_t i;

	if (!f->ncolumns && c->field != CHOPPY_NFIELDS)
		return textfile_wrong(err, &f->t, cell.p,
				      "the first column is the time, in a head like "
				      "time_s,rate_mbit,delay_ms");
	for (i = 0; i < f->ncolumns; i++)
		if (f->column[i].field == c->field)
			return textfile_wrong(err, &f->t, cell.p, "%s has a column already",
					      c->row.name);
	if (f->ncolumns > TRACE_COLUMNS_MAX)
		return textfile_wrong(err, &f->t, cell.p,
				      "one column too many: there are %d beside the time at most",
				      TRACE_COLUMNS_MAX);
	return 0;
}

static int parse_head(struct csv *f, struct span head, struct choppy_err *err)
{
	bool more = true;
	int r;

	while (more) {
		struct span cell = csv_cell(&head, &more);
		struct column c = { 0 };

		r = parse_name(&c, &f->t, cell, err);
		if (r == 0)
			r = check_place(f, &c, cell, err);
		if (r < 0)
			return r;
		f->column[f->ncolumns++] = c;
	}
	if (f->ncolumns < 2)
		return textfile_wrong(err, &f->t, head.end,
				      "there is only a time: add a column, as in "
				      "time_s,rate_mbit,delay_ms");
	return 0;
}

/* ----------------------------------------------------------------- CSV: rows */

/* The text of a cell, with the head's unit behind it. */
static int add_unit(char text[2 * CELL_MAX], const struct column *c, const struct textfile *t,
		    const char *at, struct choppy_err *err)
{
	char shown[WORD_BYTES];

	if (csv_add_unit(text, c->unit))
		return 0;
	word_shown(shown, text);
	return textfile_wrong(err, t, at,
			      "%s %s: the head gives the unit (%s), here a bare number is due",
			      c->row.name, shown, c->unit);
}

static int parse_value(uint64_t *ret, struct column *c, const struct textfile *t, struct span cell,
		       struct choppy_err *err)
{
	struct choppy_amount a = { 0 };
	char text[2 * CELL_MAX];
	struct choppy_err why;
	int r = copy(text, t, cell, err);

	if (r == 0)
		r = add_unit(text, c, t, cell.p, err);
	if (r < 0)
		return r;
	if (value_parse(&a, &c->row, text, &why) < 0)
		return wrong_value(err, t, cell.p, &why);
	if (c->row.kind == CHOPPY_KIND_AMOUNT && c->has_unit && a.unit != c->amount_unit)
		return textfile_wrong(
			err, t, cell.p,
			"%s %s: the cells above count something else; a column has one "
			"unit",
			c->row.name, text);
	c->has_unit = true;
	c->amount_unit = a.unit;
	*ret = a.n;
	return 0;
}

static int parse_flag(uint64_t *ret, const struct column *c, const struct textfile *t,
		      struct span cell, struct choppy_err *err)
{
	if (cell.end - cell.p != 1 || (*cell.p != '0' && *cell.p != '1'))
		return textfile_wrong(err, t, cell.p, "%s is 0 or 1", c->row.name);
	*ret = *cell.p == '1' ? 1 : TRACE_OFF;
	return 0;
}

static int parse_cell(uint64_t *ret, struct csv *f, uint32_t i, struct span cell,
		      struct choppy_err *err)
{
	struct column *c = &f->column[i];

	if (cell.p == cell.end) {
		if (!i || !f->nrows)
			return textfile_wrong(err, &f->t, cell.p,
					      i ? "%s is empty: the first row needs a value, or off"
						: "%s is empty: every row needs one",
					      c->row.name);
		*ret = TRACE_KEEP;
		return 0;
	}
	if (i && cell.end - cell.p == 3 && strncasecmp(cell.p, "off", 3) == 0) {
		*ret = TRACE_OFF;
		return 0;
	}
	if (c->row.kind == CHOPPY_KIND_FLAG)
		return parse_flag(ret, c, &f->t, cell, err);
	return parse_value(ret, c, &f->t, cell, err);
}

static int check_time(const struct csv *f, const uint64_t *row, const char *at,
		      struct choppy_err *err)
{
	char now[32], before[32];

	choppy_value_print(now, sizeof(now), &time_row, row);
	if (!f->nrows && row[0])
		return textfile_wrong(err, &f->t, at, "the first row's time is %s: it must be 0",
				      now);
	if (!f->nrows || row[0] > row[-(ptrdiff_t)f->ncolumns])
		return 0;
	choppy_value_print(before, sizeof(before), &time_row, row - f->ncolumns);
	return textfile_wrong(err, &f->t, at,
			      "%s is not later than %s in the row before: times ascend", now,
			      before);
}

static int parse_row(struct csv *f, struct span line, struct choppy_err *err)
{
	uint64_t *row = f->cells + (size_t)f->nrows * f->ncolumns;
	struct span rest = line;
	bool more = true;
	uint32_t i;
	int r;

	for (i = 0; more && i < f->ncolumns; i++) {
		struct span cell = csv_cell(&rest, &more);

		r = parse_cell(&row[i], f, i, cell, err);
		if (r == 0 && i == 0)
			r = check_time(f, row, cell.p, err);
		if (r < 0)
			return r;
	}
	if (more)
		return textfile_wrong(err, &f->t, rest.p,
				      "one cell too many: the head has %u columns", f->ncolumns);
	/* An end may be the time alone. */
	if (i == 1 && f->nrows)
		for (; i < f->ncolumns; i++)
			row[i] = TRACE_KEEP;
	if (i < f->ncolumns)
		return textfile_wrong(err, &f->t, line.end,
				      "%u of %u cells: the head has the others", i, f->ncolumns);
	f->nrows++;
	return 0;
}

static int make_room(struct csv *f, const struct textfile *t, const char *at,
		     struct choppy_err *err)
{
	uint32_t room = f->room ? 2 * f->room : 64;
	uint64_t *more;

	/* One more, for the end. */
	if (f->nrows == TRACE_ROWS_MAX + 1)
		return textfile_wrong(err, t, at, "one row too many: a trace has %u at most",
				      TRACE_ROWS_MAX);
	if (f->nrows < f->room)
		return 0;
	more = realloc(f->cells, (size_t)room * f->ncolumns * sizeof(*more));
	if (!more)
		return err_sys(err, -ENOMEM, "cannot read %s", t->name);
	f->cells = more;
	f->room = room;
	return 0;
}

/* Where the trace ends: the last row's time when it has nothing else, and then it is no row. */
static int find_end(struct csv *f, uint64_t *ret_ns, struct choppy_err *err)
{
	const char *end = f->t.text + f->t.len;
	const uint64_t *last;
	bool keeps = true;
	uint32_t i;

	if (!f->nrows)
		return textfile_wrong(err, &f->t, end, "there is no row behind the head");
	last = f->cells + (size_t)(f->nrows - 1) * f->ncolumns;
	for (i = 1; i < f->ncolumns; i++)
		keeps = keeps && last[i] == TRACE_KEEP;
	if (f->nrows == 1)
		return textfile_wrong(err, &f->t, end,
				      "one row alone has no end: add a last row with nothing but a "
				      "time");
	*ret_ns = keeps ? last[0] : 2 * last[0] - *(last - f->ncolumns);
	f->nrows -= keeps;
	if (f->nrows > TRACE_ROWS_MAX)
		return textfile_wrong(err, &f->t, end, "one row too many: a trace has %u at most",
				      TRACE_ROWS_MAX);
	return 0;
}

static int parse_lines(struct csv *f, uint64_t *ret_end_ns, struct choppy_err *err)
{
	const char *p = f->t.text;
	struct span line;
	int r;

	/* There is one: it told that this is a CSV. */
	csv_row(&f->t, &p, &line);
	r = parse_head(f, line, err);
	while (r == 0 && csv_row(&f->t, &p, &line)) {
		r = make_room(f, &f->t, line.p, err);
		if (r == 0)
			r = parse_row(f, line, err);
	}
	return r < 0 ? r : find_end(f, ret_end_ns, err);
}

static int parse_csv(struct trace *ret, const struct textfile *t, struct choppy_err *err)
{
	struct csv f = { .t = *t };
	uint64_t end_ns = 0;
	uint32_t i;
	int r = parse_lines(&f, &end_ns, err);

	if (r < 0) {
		free(f.cells);
		return r;
	}
	*ret = (struct trace){
		.ncolumns = f.ncolumns - 1,
		.nrows = f.nrows,
		.period_ns = end_ns,
		.rows = f.cells,
	};
	for (i = 1; i < f.ncolumns; i++) {
		ret->field[i - 1] = f.column[i].field;
		if (f.column[i].row.kind == CHOPPY_KIND_AMOUNT)
			ret->unit = f.column[i].amount_unit;
	}
	return 0;
}

/* ----------------------------------------------------------------- both */

static int parse_any(struct trace *ret, const struct textfile *t, struct choppy_err *err)
{
	const char *p = t->text;
	struct span line;

	if (!csv_row(t, &p, &line))
		return textfile_wrong(
			err, t, t->text + t->len,
			"there is nothing: a trace is a mahimahi trace, or CSV with a "
			"head like time_s,rate_mbit,delay_ms");
	if (isalpha((unsigned char)*line.p))
		return parse_csv(ret, t, err);
	if (memchr(line.p, ',', (size_t)(line.end - line.p)))
		return textfile_wrong(err, t, line.p,
				      "the first line names the columns: a head like "
				      "time_s,rate_mbit,delay_ms");
	return parse_mahimahi(ret, t, err);
}

int trace_parse(const char *name, const char *text, size_t len, struct trace **ret,
		struct choppy_err *err)
{
	const struct textfile t = { name, text, len };
	CLEANUP_FREE struct trace *trace = malloc(sizeof(*trace));
	int r = trace ? textfile_check(&t, err) : err_sys(err, -ENOMEM, "cannot read %s", name);

	if (r == 0)
		r = parse_any(trace, &t, err);
	if (r < 0)
		return r;
	*ret = trace;
	trace = NULL;
	return 0;
}

int trace_load(const char *name, struct trace **ret, struct choppy_err *err)
{
	const char *text = trace_builtin_text(name);
	struct textfile t;
	int r;

	if (text)
		return trace_parse(name, text, strlen(text), ret, err);
	r = textfile_read(&t, name, TRACE_FILE_MAX, err);
	if (r == -ENOENT)
		return err_set(err, r,
			       "%s is no file and no trace: use leo, train or the path of a "
			       "mahimahi or CSV trace",
			       name);
	if (r < 0)
		return r;
	r = trace_parse(name, t.text, t.len, ret, err);
	free((char *)t.text);
	return r;
}

void trace_free(struct trace *t)
{
	if (!t)
		return;
	free((uint64_t *)t->rows);
	free((uint32_t *)t->chance_ms);
	free(t);
}
