/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The distance of two words is the number of edits that make one of the other (Damerau and
 * Levenshtein's, in the form where a letter is swapped once at most).
 */
#include "near.h"

#include <ctype.h>
#include <string.h>

#define NEAR_MAX 15 /* longest word that has a near one */
#define NEAR_EDITS 2

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Edits that make @b of @a: a letter more, less, other, or two swapped; case is none. */
static size_t edits(const char *a, const char *b)
{
	size_t d[NEAR_MAX + 1][NEAR_MAX + 1], la = strlen(a), lb = strlen(b), i, j;

	for (i = 0; i <= la; i++)
		d[i][0] = i;
	for (j = 0; j <= lb; j++)
		d[0][j] = j;
	for (i = 1; i <= la; i++) {
		for (j = 1; j <= lb; j++) {
			int x = tolower((unsigned char)a[i - 1]), y = b[j - 1];

			d[i][j] = smaller(smaller(d[i - 1][j], d[i][j - 1]) + 1,
					  d[i - 1][j - 1] + (x != y));
			if (i > 1 && j > 1 && x == b[j - 2] &&
			    tolower((unsigned char)a[i - 2]) == y)
				d[i][j] = smaller(d[i][j], d[i - 2][j - 2] + 1);
		}
	}
	return d[la][lb];
}

struct near near_begin(const char *word)
{
	return (struct near){ .word = word, .distance = NEAR_EDITS + 1 };
}

void near_try(struct near *n, const char *known)
{
	size_t d;

	if (strlen(n->word) > NEAR_MAX || strlen(known) > NEAR_MAX)
		return;
	d = edits(n->word, known);
	/* A short word with two edits is another word. */
	if (d >= n->distance || (d > 1 && strlen(known) <= 3))
		return;
	n->distance = d;
	n->best = known;
}
