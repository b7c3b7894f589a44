/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A smaller MTU within the link, as a router before a narrow hop has it: a packet that is longer
 * is cut into fragments where IPv4 allows that; else it does not pass, and its sender is told
 * (RFC 1191, RFC 8201), or, at a black hole (RFC 2923), is not.
 */
#include "reply.h"
#include "stage.h"

struct mtu {
	uint32_t bytes; /* 0: none */
	bool silent;
};

static void mtu_set(void *state, const struct choppy_condition *c, const struct stage_data *data,
		    uint64_t now_ns)
{
	struct mtu *m = state;

	m->bytes = c->set & CHOPPY_FIELD_BIT(CHOPPY_MTU) ? (uint32_t)c->mtu_bytes : 0;
	m->silent = c->set & CHOPPY_FIELD_BIT(CHOPPY_MTU_SILENT);
}

static bool mtu_packet(void *state, struct wire *w)
{
	struct mtu *m = state;

	if (!m->bytes || w->ip_len <= m->bytes)
		return true;
	if (w->may_fragment) {
		w->fragment = m->bytes;
		return true;
	}
	w->reply = m->silent ? REPLY_NONE : REPLY_TOO_BIG;
	w->reply_mtu = m->bytes;
	return false;
}

const struct stage mtu_stage = {
	.name = "mtu",
	.fields = CHOPPY_FIELD_BIT(CHOPPY_MTU) | CHOPPY_FIELD_BIT(CHOPPY_MTU_SILENT),
	.reason = CHOPPY_DROP_MTU,
	.size = sizeof(struct mtu),
	.set = mtu_set,
	.packet = mtu_packet,
};
