/* SPDX-License-Identifier: GPL-2.0-or-later */
/* forms.h - kinds of values that are more than a number: names, lists, cycles, framings, files. */
#ifndef CHOPPY_FORMS_H
#define CHOPPY_FORMS_H

#include "choppy.h"
#include "value.h"

struct form {
	/* As value_parse(), value_check(), value_equal() have it. */
	int (*parse)(void *ret, const struct choppy_field_row *row, const char *text,
		     struct choppy_err *err);
	int (*check)(const struct choppy_field_row *row, const void *value, struct choppy_err *err);
	bool (*equal)(const void *a, const void *b); /* NULL: the same bytes */
	void (*print)(struct text *t, const struct choppy_field_row *row, const void *value);
};

extern const struct form flag_form, choice_form, list_form, cycle_form, overhead_form,
	distribution_form, trace_form;

/* Which of @names (NULL behind the last) @text is; -1: none. */
int name_index(const char *const *names, const char *text);

#endif
