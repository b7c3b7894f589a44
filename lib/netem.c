/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The netem backend: a condition as one RTM_NEWQDISC, and back.
 *
 * netem_change() in the kernel's net/sched/sch_netem.c is not a change of
 * everything: what the fixed struct holds (latency, jitter, limit, loss, gap,
 * duplicate) and the loss model are always replaced, while CORR, REORDER,
 * CORRUPT, RATE, ECN, SLOT and the distribution tables keep their old values when their
 * attribute is absent. So each of those is always sent, neutral when the condition
 * has no such thing. A distribution table cannot be taken away again by any message;
 * a netem of ours never gets one. RATE64 is sent only from 2^32 byte/s, since RATE alone replaces
 * the rate. LATENCY64 and JITTER64 (ns, Linux 4.16) override the struct's ticks
 * of 64 ns, which are sent as well, as older tools read them. All of these
 * attributes are the same from Linux 4.16 to 6.18; PRNG_SEED (6.6) is left to
 * the kernel, which takes a new seed with each change when it is absent.
 *
 * The limit. netem's counts all packets that it holds, ours counts the queue
 * before the rate only. netem with a rate makes a packet wait for the one before it and then for
 * its own transmission, beside the delay; so a line full of the smallest packets
 * holds (delay + jitter) * rate / size of them, plus the one being sent, plus
 * the queue. That sum is the kernel's limit: it never drops what the model
 * keeps, but lets a queue of large packets grow longer than asked, which check() says.
 * Without a rate nothing queues, and the limit is as good as none.
 */
#include <errno.h>
#include <inttypes.h>
#include <libmnl/libmnl.h>
#include <linux/gen_stats.h>
#include <linux/pkt_sched.h>
#include <stdio.h>
#include <string.h>

#include "backend.h"
#include "err.h"

/* The most that tools print rightly, which many take for a signed number; as many packets
 * would need more than a terabyte. */
#define LIMIT_NONE INT32_MAX
/* An Ethernet header and the smallest IP header: the smallest packet a condition applies to. */
#define SMALLEST_FRAME 34
/* The kernel's cap on jitter, beyond which it would silently cut. */
#define JITTER_MAX_NS INT32_MAX
#define TICK_NS 64 /* PSCHED_SHIFT */

#define USE_ENGINE "or use the engine (--backend engine)"

/* A condition in netem's own terms. */
struct netem_values {
	struct tc_netem_qopt qopt;
	int64_t latency_ns, jitter_ns;
	uint64_t rate; /* byte/s */
};

static bool has(const struct choppy_condition *c, enum choppy_field f)
{
	return c->set & CHOPPY_FIELD_BIT(f);
}

static uint32_t ticks(uint64_t ns)
{
	return ns / TICK_NS > UINT32_MAX ? UINT32_MAX : ns / TICK_NS;
}

/* The nearest fraction of UINT32_MAX, a tie to the even one, as tc(8) rounds. */
static uint32_t fraction_of_ppb(uint64_t ppb)
{
	uint64_t n = ppb * UINT32_MAX, q = n / 1000000000, rest = n % 1000000000;

	return q + (rest > 500000000 || (rest == 500000000 && q % 2));
}

/* The inverse: exact, since a fraction's step is less than a quarter of one ppb. */
static uint64_t ppb_of_fraction(uint32_t f)
{
	return ((uint64_t)f * 1000000000 + UINT32_MAX / 2) / UINT32_MAX;
}

/* Packets beside the queue that a line of @rate byte/s can hold, LIMIT_NONE at most. */
static uint32_t line_packets(uint64_t rate, uint64_t ns)
{
	unsigned __int128 bytes_e9 = (unsigned __int128)rate * ns;
	const unsigned __int128 per_packet = (unsigned __int128)SMALLEST_FRAME * 1000000000;
	unsigned __int128 n = (bytes_e9 + per_packet - 1) / per_packet + 1;

	return n > LIMIT_NONE ? LIMIT_NONE : (uint32_t)n;
}

static uint32_t kernel_limit(const struct choppy_condition *c, const struct netem_values *v)
{
	uint64_t queue = has(c, CHOPPY_LIMIT) ? c->limit.n : CHOPPY_LIMIT_DEFAULT_PACKETS;
	uint64_t n;

	if (!v->rate)
		return LIMIT_NONE;
	n = queue + line_packets(v->rate, v->latency_ns + v->jitter_ns);
	return n > LIMIT_NONE ? LIMIT_NONE : n;
}

static void values_of(struct netem_values *v, const struct choppy_condition *c)
{
	memset(v, 0, sizeof(*v));
	v->latency_ns = has(c, CHOPPY_DELAY) ? c->delay_ns : 0;
	v->jitter_ns = has(c, CHOPPY_JITTER) ? c->jitter_ns : 0;
	v->rate = has(c, CHOPPY_RATE) ? c->rate_bps / 8 : 0;
	v->qopt.latency = ticks(v->latency_ns);
	v->qopt.jitter = ticks(v->jitter_ns);
	v->qopt.loss = has(c, CHOPPY_LOSS) ? fraction_of_ppb(c->loss_ppb) : 0;
	v->qopt.limit = kernel_limit(c, v);
}

static void condition_of(struct choppy_condition *c, const struct netem_values *v)
{
	uint32_t line;

	memset(c, 0, sizeof(*c));
	c->delay_ns = v->latency_ns;
	c->jitter_ns = v->jitter_ns;
	c->loss_ppb = ppb_of_fraction(v->qopt.loss);
	c->rate_bps = v->rate * 8;
	c->set = (c->delay_ns ? CHOPPY_FIELD_BIT(CHOPPY_DELAY) : 0) |
		 (c->jitter_ns ? CHOPPY_FIELD_BIT(CHOPPY_JITTER) : 0) |
		 (c->loss_ppb ? CHOPPY_FIELD_BIT(CHOPPY_LOSS) : 0) |
		 (c->rate_bps ? CHOPPY_FIELD_BIT(CHOPPY_RATE) : 0);
	if (!v->rate)
		return;
	line = line_packets(v->rate, v->latency_ns + v->jitter_ns);
	if (v->qopt.limit < line || v->qopt.limit - line == CHOPPY_LIMIT_DEFAULT_PACKETS)
		return;
	c->limit = (struct choppy_amount){ .n = v->qopt.limit - line, .unit = CHOPPY_PACKETS };
	c->set |= CHOPPY_FIELD_BIT(CHOPPY_LIMIT);
}

/* ------------------------------------------------------------------ check */

static int check_limit(const struct choppy_condition *c, struct choppy_err *err)
{
	char text[64];

	if (c->limit.unit != CHOPPY_PACKETS) {
		choppy_value_print(text, sizeof(text), &choppy_fields()[CHOPPY_LIMIT], &c->limit);
		return err_set(err, -EOPNOTSUPP,
			       "limit %s: netem can limit a queue by packets only: give a number "
			       "of packets, " USE_ENGINE,
			       text);
	}
	if (c->limit.n > LIMIT_NONE)
		return err_set(err, -EOPNOTSUPP,
			       "limit: netem holds at most %d packets: give less, " USE_ENGINE,
			       LIMIT_NONE);
	return 0;
}

static int check_rate(const struct choppy_condition *c, struct choppy_err *err)
{
	if (c->rate_bps % 8 == 0)
		return 0;
	return err_set(err, -EOPNOTSUPP,
		       "rate %" PRIu64
		       "bit: netem holds whole bytes a second only: give a multiple "
		       "of 8bit, " USE_ENGINE,
		       c->rate_bps);
}

static int check_times(const struct choppy_condition *c, struct choppy_err *err)
{
	char text[64];

	if (has(c, CHOPPY_JITTER) && c->jitter_ns > JITTER_MAX_NS) {
		choppy_value_print(text, sizeof(text), &choppy_fields()[CHOPPY_JITTER],
				   &c->jitter_ns);
		return err_set(err, -EOPNOTSUPP,
			       "jitter %s: netem ends at %d ns: give less, " USE_ENGINE, text,
			       JITTER_MAX_NS);
	}
	if (has(c, CHOPPY_DELAY) && c->delay_ns > INT64_MAX / 2)
		return err_set(err, -EOPNOTSUPP, "delay: netem ends at 146 years: give less");
	return 0;
}

/* Where netem's result differs from the model. The longest outcome fits in 192 bytes. */
static void write_note(const struct choppy_condition *c, char *note)
{
	bool jitter = has(c, CHOPPY_JITTER) && c->jitter_ns, rate = has(c, CHOPPY_RATE);
	bool loss = has(c, CHOPPY_LOSS) && c->loss_ppb;

	const char *order = "";

	note[0] = '\0';
	if (!jitter && !rate && !loss)
		return;
	if (jitter && !rate)
		order = "; jitter reorders here, the engine keeps order";
	else if (rate && has(c, CHOPPY_DELAY))
		order = "; the limit also counts the delay line";
	snprintf(note, 192,
		 "netem takes a 64 KiB super-packet as one packet, the engine judges each wire "
		 "packet%s%s",
		 order, rate && loss ? "; drops by loss and queue are counted as one" : "");
}

static int netem_check(const struct choppy_condition *c, char *note, struct choppy_err *err)
{
	int r = check_times(c, err);

	if (r == 0 && has(c, CHOPPY_RATE))
		r = check_rate(c, err);
	if (r == 0 && has(c, CHOPPY_LIMIT))
		r = check_limit(c, err);
	if (r == 0)
		write_note(c, note);
	return r;
}

const struct backend netem_backend = {
	.name = "netem",
	.fields = CHOPPY_FIELD_BIT(CHOPPY_DELAY) | CHOPPY_FIELD_BIT(CHOPPY_JITTER) |
		  CHOPPY_FIELD_BIT(CHOPPY_LOSS) | CHOPPY_FIELD_BIT(CHOPPY_RATE) |
		  CHOPPY_FIELD_BIT(CHOPPY_LIMIT),
	.check = netem_check,
};

/* ---------------------------------------------------------------- message */

static void put_options(struct nl_msg *m, const struct netem_values *v)
{
	const struct tc_netem_corr corr = { 0 };
	const struct tc_netem_reorder reorder = { 0 };
	const struct tc_netem_corrupt corrupt = { 0 };
	const struct tc_netem_slot slot = { 0 };
	struct tc_netem_rate rate = { .rate = v->rate > UINT32_MAX ? UINT32_MAX : v->rate };

	*(struct tc_netem_qopt *)nl_header(m, sizeof(v->qopt)) = v->qopt;
	nl_put(m, TCA_NETEM_CORR, &corr, sizeof(corr));
	nl_put(m, TCA_NETEM_REORDER, &reorder, sizeof(reorder));
	nl_put(m, TCA_NETEM_CORRUPT, &corrupt, sizeof(corrupt));
	if (v->rate > UINT32_MAX)
		nl_put_u64(m, TCA_NETEM_RATE64, v->rate);
	nl_put(m, TCA_NETEM_RATE, &rate, sizeof(rate));
	nl_put_u32(m, TCA_NETEM_ECN, 0);
	nl_put_u64(m, TCA_NETEM_LATENCY64, v->latency_ns);
	nl_put_u64(m, TCA_NETEM_JITTER64, v->jitter_ns);
	nl_put(m, TCA_NETEM_SLOT, &slot, sizeof(slot));
}

void netem_message(struct nl_msg *m, int ifindex, const struct choppy_condition *c, bool first)
{
	struct netem_values v;
	struct tcmsg *tcm;
	struct nlattr *opts;

	values_of(&v, c);
	nl_begin(m, RTM_NEWQDISC, first ? NLM_F_CREATE | NLM_F_EXCL : 0, "netem");
	tcm = nl_header(m, sizeof(*tcm));
	tcm->tcm_family = AF_UNSPEC;
	tcm->tcm_ifindex = ifindex;
	tcm->tcm_handle = NETEM_HANDLE;
	tcm->tcm_parent = TC_H_ROOT;
	nl_put_str(m, TCA_KIND, "netem");
	opts = nl_nest(m, TCA_OPTIONS);
	put_options(m, &v);
	nl_end(m, opts);
	if (opts) /* not a nest proper: the struct comes first */
		opts->nla_type = TCA_OPTIONS;
}

/* -------------------------------------------------------------- read back */

struct root_qdisc {
	uint32_t handle; /* 0 with a kind: the kernel's default */
	char kind[16]; /* "" when the kernel shows none (noqueue) */
	struct netem_values v;
	const char *odd; /* attribute of a netem that is not neutral, or NULL */
	uint64_t packets, bytes, drops, waiting;
};

/* Copy @a into @p when it is there and long enough. */
static bool take(void *p, size_t size, const struct nlattr *a)
{
	if (!a || mnl_attr_get_payload_len(a) < size)
		return false;
	memcpy(p, mnl_attr_get_payload(a), size);
	return true;
}

/* The attributes that must be neutral, and are zero throughout then. */
static const struct {
	uint16_t type;
	const char *name;
} neutral[] = {
	{ TCA_NETEM_CORR, "CORR" },	  { TCA_NETEM_REORDER, "REORDER" },
	{ TCA_NETEM_CORRUPT, "CORRUPT" }, { TCA_NETEM_ECN, "ECN" },
	{ TCA_NETEM_SLOT, "SLOT" },	  { TCA_NETEM_LOSS, "LOSS" },
};

static const char *find_odd(const struct nlattr **tb)
{
	for (size_t i = 0; i < sizeof(neutral) / sizeof(neutral[0]); i++) {
		const struct nlattr *a = tb[neutral[i].type];
		const unsigned char *p = a ? mnl_attr_get_payload(a) : NULL;
		size_t len = a ? mnl_attr_get_payload_len(a) : 0;

		for (size_t j = 0; j < len; j++)
			if (p[j])
				return neutral[i].name;
	}
	return NULL;
}

static int parse_options(struct root_qdisc *q, const struct nlattr *opts)
{
	const struct nlattr *tb[TCA_NETEM_MAX + 1];
	struct tc_netem_rate rate = { 0 };
	struct netem_values *v = &q->v;
	int r;

	if (!take(&v->qopt, sizeof(v->qopt), opts))
		return -EBADMSG;
	r = nl_parse_buf((char *)mnl_attr_get_payload(opts) + sizeof(v->qopt),
			 mnl_attr_get_payload_len(opts) - sizeof(v->qopt), tb, TCA_NETEM_MAX);
	if (r < 0)
		return r;
	v->latency_ns = (int64_t)v->qopt.latency * TICK_NS;
	v->jitter_ns = (int64_t)v->qopt.jitter * TICK_NS;
	take(&v->latency_ns, sizeof(v->latency_ns), tb[TCA_NETEM_LATENCY64]);
	take(&v->jitter_ns, sizeof(v->jitter_ns), tb[TCA_NETEM_JITTER64]);
	take(&rate, sizeof(rate), tb[TCA_NETEM_RATE]);
	v->rate = rate.rate;
	take(&v->rate, sizeof(v->rate), tb[TCA_NETEM_RATE64]);
	q->odd = find_odd(tb);
	if (!q->odd && (rate.packet_overhead || rate.cell_size || rate.cell_overhead))
		q->odd = "RATE";
	return 0;
}

static void parse_stats(struct root_qdisc *q, const struct nlattr *stats)
{
	const struct nlattr *tb[TCA_STATS_MAX + 1];
	struct gnet_stats_basic basic = { 0 };
	struct gnet_stats_queue queue = { 0 };

	if (!stats || nl_parse_nested(stats, tb, TCA_STATS_MAX) < 0)
		return;
	/* The struct ends in padding that the kernel does not always send. */
	if (tb[TCA_STATS_BASIC] && mnl_attr_get_payload_len(tb[TCA_STATS_BASIC]) >= 12)
		memcpy(&basic, mnl_attr_get_payload(tb[TCA_STATS_BASIC]), 12);
	take(&queue, sizeof(queue), tb[TCA_STATS_QUEUE]);
	q->bytes = basic.bytes;
	q->packets = basic.packets;
	take(&q->packets, sizeof(q->packets), tb[TCA_STATS_PKT64]);
	q->drops = queue.drops;
	q->waiting = queue.qlen;
}

static int each_root(const struct nlmsghdr *nlh, void *ctx)
{
	const struct nlattr *tb[TCA_MAX + 1];
	struct root_qdisc *q = ctx;
	const struct tcmsg *tcm = mnl_nlmsg_get_payload(nlh);
	int r = nl_parse(nlh, sizeof(*tcm), tb, TCA_MAX);

	if (r < 0)
		return r;
	if (nlh->nlmsg_type != RTM_NEWQDISC || !tb[TCA_KIND] ||
	    mnl_attr_validate(tb[TCA_KIND], MNL_TYPE_NUL_STRING) < 0)
		return 0;
	q->handle = tcm->tcm_handle;
	snprintf(q->kind, sizeof(q->kind), "%s", mnl_attr_get_str(tb[TCA_KIND]));
	parse_stats(q, tb[TCA_STATS2]);
	if (strcmp(q->kind, "netem") == 0 && tb[TCA_OPTIONS])
		return parse_options(q, tb[TCA_OPTIONS]);
	return 0;
}

/*
 * One get, not a dump of all devices. Without NLM_F_ECHO older kernels tell only the listeners
 * of the notification group; of a built-in qdisc (noqueue) no kernel says anything.
 */
static int get_root(const struct link_end *end, struct root_qdisc *q, struct choppy_err *err)
{
	struct nl_msg m;
	struct tcmsg *tcm;

	memset(q, 0, sizeof(*q));
	nl_msg_init(&m);
	nl_begin(&m, RTM_GETQDISC, NLM_F_ECHO, "reading the qdisc of %s", end->dev);
	tcm = nl_header(&m, sizeof(*tcm));
	tcm->tcm_family = AF_UNSPEC;
	tcm->tcm_ifindex = end->ifindex;
	tcm->tcm_parent = TC_H_ROOT;
	return nl_each(end->nl, &m, false, each_root, NULL, q, err);
}

static int get_ours(const struct link_end *end, struct root_qdisc *q, struct choppy_err *err)
{
	int r = get_root(end, q, err);

	if (r < 0)
		return r;
	if (q->handle == NETEM_HANDLE && strcmp(q->kind, "netem") == 0)
		return 0;
	return err_set(err, -ENOENT, "%s has no netem of choppy any more; its qdisc is %s now",
		       end->dev, q->kind[0] ? q->kind : "the kernel's own");
}

/* ------------------------------------------------------------------- apply */

/* The name of the first value that the kernel holds otherwise than sent, or NULL. */
static const char *find_difference(const struct netem_values *sent, const struct root_qdisc *got)
{
	const struct {
		const char *name;
		uint64_t sent, got;
	} rows[] = {
		{ "latency", sent->qopt.latency, got->v.qopt.latency },
		{ "LATENCY64", sent->latency_ns, got->v.latency_ns },
		{ "jitter", sent->qopt.jitter, got->v.qopt.jitter },
		{ "JITTER64", sent->jitter_ns, got->v.jitter_ns },
		{ "limit", sent->qopt.limit, got->v.qopt.limit },
		{ "loss", sent->qopt.loss, got->v.qopt.loss },
		{ "gap", sent->qopt.gap, got->v.qopt.gap },
		{ "duplicate", sent->qopt.duplicate, got->v.qopt.duplicate },
		{ "RATE", sent->rate, got->v.rate },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].sent != rows[i].got)
			return rows[i].name;
	return got->odd;
}

static int explain_missing(struct choppy_err *err, int code)
{
	char words[256];
	const char *text = err ? strstr(err->msg, ": ") : NULL;

	snprintf(words, sizeof(words), "%s", text ? text + 2 : strerror(-code));
	return err_cannot(
		err, code,
		"this kernel has no netem (%s): load it with 'modprobe sch_netem', or use "
		"the engine (--backend engine), which needs nothing",
		words);
}

int netem_apply(const struct link_end *end, const struct choppy_condition *c, bool first,
		struct choppy_err *err)
{
	struct netem_values v;
	struct root_qdisc q;
	const char *what;
	struct nl_msg m;
	int r;

	nl_msg_init(&m);
	netem_message(&m, end->ifindex, c, first);
	r = nl_do(end->nl, &m, err);
	if (r == -ENOENT && first)
		return explain_missing(err, r);
	if (r == 0)
		r = get_ours(end, &q, err);
	if (r < 0) {
		err_prefix(err, "%s", end->dev);
		return r;
	}
	values_of(&v, c);
	what = find_difference(&v, &q);
	if (what)
		return err_set(err, -EIO,
			       "%s: netem's %s is not what was sent, as the kernel reads it back",
			       end->dev, what);
	return 0;
}

/*
 * netem has one count of drops. It is the loss's unless the condition has a rate and no loss: then
 * it is the queue's. Both at once cannot be told apart, as check() says.
 */
static void fill_counters(struct choppy_counters *k, const struct root_qdisc *q,
			  const struct choppy_condition *c)
{
	bool loss = has(c, CHOPPY_LOSS), rate = has(c, CHOPPY_RATE);

	memset(k, 0, sizeof(*k));
	k->delivered = q->packets;
	k->delivered_bytes = q->bytes;
	k->waiting = q->waiting;
	k->packets = q->packets + q->drops + q->waiting;
	k->bytes = q->bytes;
	k->dropped[rate && !loss ? CHOPPY_DROP_QUEUE : CHOPPY_DROP_LOSS] = q->drops;
	if (loss && !rate) {
		k->judged = k->packets;
		k->judged_lost = q->drops;
	}
}

int netem_read(const struct link_end *end, struct choppy_condition *ret,
	       struct choppy_counters *counters, struct choppy_err *err)
{
	struct choppy_condition c;
	struct root_qdisc q;
	int r = get_ours(end, &q, err);

	if (r < 0)
		return r;
	condition_of(&c, &q.v);
	if (counters)
		fill_counters(counters, &q, &c);
	if (ret)
		*ret = c;
	return 0;
}

int qdisc_foreign(const struct link_end *end, char kind[16], struct choppy_err *err)
{
	struct root_qdisc q;
	int r = get_root(end, &q, err);

	if (r < 0)
		return r;
	if (q.handle == 0 || (q.handle == NETEM_HANDLE && strcmp(q.kind, "netem") == 0))
		q.kind[0] = '\0';
	memcpy(kind, q.kind, sizeof(q.kind));
	return 0;
}
