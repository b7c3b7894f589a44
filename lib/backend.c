/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backend.h"

#include <errno.h>

#include "err.h"
#include "util.h"

static int engine_check(const struct choppy_condition *c, char *note, struct choppy_err *err)
{
	note[0] = '\0'; /* the engine is the model */
	return 0;
}

const struct backend engine_backend = {
	.name = "engine",
	.fields = CHOPPY_FIELD_BIT(CHOPPY_NFIELDS) - 1,
	.check = engine_check,
};

const struct backend *backend_get(enum choppy_backend b)
{
	static const struct backend *const all[CHOPPY_NBACKENDS] = {
		[CHOPPY_ENGINE] = &engine_backend,
		[CHOPPY_NETEM] = &netem_backend,
	};

	return all[b];
}

int backend_check(const struct backend *b, const struct choppy_condition *c, char *note,
		  struct choppy_err *err)
{
	note[0] = '\0';
	for (int f = 0; f < CHOPPY_NFIELDS; f++) {
		if (c->set & ~b->fields & CHOPPY_FIELD_BIT(f))
			return err_set(err, -EOPNOTSUPP,
				       "%s cannot do %s; the engine can (--backend engine)",
				       b->name, choppy_fields()[f].name);
	}
	return b->check(c, note, err);
}
