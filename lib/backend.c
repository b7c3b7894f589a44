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
	.fields = (CHOPPY_FIELD_BIT(CHOPPY_NFIELDS) - 1) & ~CHOPPY_FIELD_BIT(CHOPPY_INFLIGHT) &
		  ~CHOPPY_FIELD_BIT(CHOPPY_NETEM_RAW),
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

/* Each field is somebody's. */
static const struct backend *who_can(int field)
{
	for (int b = 0; b < CHOPPY_NBACKENDS; b++)
		if (backend_get(b)->fields & CHOPPY_FIELD_BIT(field))
			return backend_get(b);
	return &engine_backend;
}

int backend_check(const struct backend *b, const struct choppy_condition *c, char *note,
		  struct choppy_err *err)
{
	note[0] = '\0';
	for (int f = 0; f < CHOPPY_NFIELDS; f++) {
		if (c->set & ~b->fields & CHOPPY_FIELD_BIT(f))
			return err_set(err, -EOPNOTSUPP, "%s cannot do %s; %s can (--backend %s)",
				       b->name, choppy_fields()[f].name,
				       who_can(f) == &engine_backend ? "the engine" : "netem",
				       who_can(f)->name);
	}
	return b->check(c, note, err);
}
