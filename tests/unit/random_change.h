/* SPDX-License-Identifier: GPL-2.0-or-later */
/* random_change.h - conditions and rules of any kind, drawn from a seed, for tests of the model. */
#ifndef CHOPPY_TEST_RANDOM_CHANGE_H
#define CHOPPY_TEST_RANDOM_CHANGE_H

#include "choppy.h"

/* The next 64 bits; @s: the seed, any number. */
uint64_t random_next(uint64_t *s);

/* Any clauses, each with any of its words, in a form that words can say. */
void random_condition(struct choppy_condition *c, uint64_t *s);

/* Both directions, and up to three rules. */
void random_change(struct choppy_change *c, uint64_t *s);

#endif
