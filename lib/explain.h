/* SPDX-License-Identifier: GPL-2.0-or-later */
/* explain.h - say what is wrong with a word that is none of those that may stand in its place. */
#ifndef CHOPPY_EXPLAIN_H
#define CHOPPY_EXPLAIN_H

#include "choppy.h"
#include "value.h"

/* Words of the grammar that are no field's. */
extern const char clear_word[], off_word[], match_word[];

/* Where a word stands. */
struct spot {
	int clause; /* row that opened the clause before, or -1 */
	int head; /* row whose values were read last: @clause or one in its place */
	bool for_change; /* `clear` and `off` are words */
	bool profile; /* a profile's name may stand here */
};

/* -EINVAL, with the reason why @word is none and the one that is likely meant. */
int explain_word(const struct spot *s, const char *word, struct choppy_err *err);

/* The same for what is known of exactly this word; 0: nothing is. */
int explain_known(const struct spot *s, const char *word, struct choppy_err *err);

/* Whether @word, right behind a rule's expression, is likely a part of it that is not quoted. */
bool explain_unquoted(const struct spot *s, const char *word);

/*
 * @word is due to be a value of @clause and is no number. -EINVAL, when it is nearly a word that
 * may stand in place of the value, else 0.
 */
int explain_instead(int clause, const char *word, struct choppy_err *err);

/* What a clause looks like from row @head on, its opener or one in its place: "delay TIME
 * [JITTER] [CORRELATION] [distribution NAME]". */
void explain_usage(struct text *t, int head);

#endif
