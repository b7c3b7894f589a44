/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backend.h"

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
