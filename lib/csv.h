/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * csv.h - rows and cells of a text: cells between commas, spaces around them without
 * meaning; '#' begins a comment that ends with the line.
 */
#ifndef CHOPPY_CSV_H
#define CHOPPY_CSV_H

#include "textfile.h"

#define CELL_MAX 64 /* of a cell or a head, with the NUL */

/* A piece of the text. */
struct span {
	const char *p, *end;
};

/* The line at *@p, which goes on to the next one. */
struct span csv_line(const struct textfile *t, const char **p);
/* The next line from *@p on that says anything, without its comment. False: there is none. */
bool csv_row(const struct textfile *t, const char **p, struct span *ret);
/* The first cell of @row, which is left with the others; *@more: there are any. */
struct span csv_cell(struct span *row, bool *more);
/* @cell as a string. False: it is too long, and CELL_TOO_LONG says so. */
bool csv_copy(char ret[CELL_MAX], struct span cell);
#define CELL_TOO_LONG "a cell of %zu characters: none has more than %d"

/* Cut "NAME (UNIT)" or "NAME_UNIT" into @head and the unit; NULL: it has none. */
const char *csv_cut_unit(char *head);
/*
 * Put @unit, which a head gave and may be "", behind @text. False: that is no bare number, as is
 * due then.
 */
bool csv_add_unit(char text[2 * CELL_MAX], const char *unit);

#endif
