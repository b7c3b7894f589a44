/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fields.h - the table of a condition's fields, and what follows from its rows. */
#ifndef CHOPPY_FIELDS_H
#define CHOPPY_FIELDS_H

#include "choppy.h"

#define ALL_FIELDS (CHOPPY_FIELD_BIT(CHOPPY_NFIELDS) - 1)
#define ALWAYS_PPB 1000000000ull

/* choppy_fields() */
extern const struct choppy_field_row fields[];

/* "up", "down" */
extern const char *const dir_words[];

/* choppy_uplink_name()s, ended by NULL */
extern const char *const uplink_names[];

/* The clause that row @field is part of: its first row, one behind its last, and the bits of all.
 */
int clause_begin(int field);
int clause_end(int field);
uint64_t clause_mask(int field);

/* One behind the last of the further values of row @head, which is none itself. */
int group_end(int head);

bool field_set(const struct choppy_condition *c, int field);
void *field_value(struct choppy_condition *c, int field);
const void *field_const_value(const struct choppy_condition *c, int field);

/* Whether @a and @b have the same of the fields in @mask, with the same values. */
bool fields_equal(const struct choppy_condition *a, const struct choppy_condition *b,
		  uint64_t mask);

#endif
