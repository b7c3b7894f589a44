/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Loss by a list of numbers: packets are counted from 1, from when the list was given. */
#include "stage.h"

#include <string.h>

struct list {
	struct choppy_list drop;
	uint64_t number; /* of the packet seen last */
	uint32_t at; /* the first range that is not behind yet */
};

static void list_set(void *state, const struct choppy_condition *c, const struct stage_data *data,
		     uint64_t now_ns)
{
	struct list *l = state;

	if (!(c->set & CHOPPY_FIELD_BIT(CHOPPY_DROP)))
		memset(l, 0, sizeof(*l));
	else if (memcmp(&l->drop, &c->drop, sizeof(l->drop)) != 0)
		*l = (struct list){ .drop = c->drop };
}

static bool list_packet(void *state, struct wire *w)
{
	struct list *l = state;

	l->number++;
	while (l->at < l->drop.n && l->drop.range[l->at].last < l->number)
		l->at++;
	return l->at == l->drop.n || l->number < l->drop.range[l->at].first;
}

const struct stage list_stage = {
	.name = "list",
	.fields = CHOPPY_FIELD_BIT(CHOPPY_DROP),
	.reason = CHOPPY_DROP_LIST,
	.size = sizeof(struct list),
	.set = list_set,
	.packet = list_packet,
};
