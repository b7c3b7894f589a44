/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The qdisc: a whole netem as one RTM_NEWQDISC, and back.
 *
 * netem_change() in the kernel's net/sched/sch_netem.c is not a change of
 * everything: what the fixed struct holds (latency, jitter, limit, loss, gap,
 * duplicate) and the loss model are always replaced, while CORR, REORDER,
 * CORRUPT, RATE, ECN, SLOT and the distribution tables keep their old values when their
 * attribute is absent. So each of those is always sent, neutral when the condition
 * has no such thing; for the tables see netem.c. RATE64 is sent only from 2^32 byte/s, since RATE
 * alone replaces the rate. LATENCY64 and JITTER64 (ns, Linux 4.16) override the struct's ticks
 * of 64 ns, which are sent as well, as older tools read them and older kernels know nothing else.
 * PRNG_SEED (6.6) is always sent too: without it the kernel takes a new seed with each change.
 *
 * Reading back shows what an old kernel made of it, since it skips attributes that it does not
 * know. A time in ticks is then told as rounded; a rate, a slot or a time that it cannot hold is an
 * error.
 */
#include <errno.h>
#include <inttypes.h>
#include <libmnl/libmnl.h>
#include <linux/gen_stats.h>
#include <stdio.h>
#include <string.h>

#include "backend.h"
#include "err.h"
#include "fields.h"
#include "util.h"
#include "value.h"

/* What fits behind one attribute header beside everything else. */
#define TABLES_MAX 32000

/* struct tc_netem_xstats of Linux 7.2 */
struct netem_xstats {
	uint64_t delayed, dropped, corrupted, duplicated, reordered, ecn_marked, allocation_errors;
};

/* ---------------------------------------------------------------- message */

static void put_model(struct nl_msg *m, const struct netem_values *v)
{
	struct nlattr *nest;

	if (v->model == NETEM_MODEL_RANDOM)
		return;
	nest = nl_nest(m, TCA_NETEM_LOSS);
	if (v->model == NETEM_MODEL_GI)
		nl_put(m, NETEM_LOSS_GI, &v->gi, sizeof(v->gi));
	else
		nl_put(m, NETEM_LOSS_GE, &v->ge, sizeof(v->ge));
	nl_end(m, nest);
}

static void put_table(struct nl_msg *m, uint16_t type, const struct netem_table *t)
{
	if (t->n)
		nl_put(m, type, t->entry, t->n * sizeof(t->entry[0]));
}

static bool is_zero(const char *p, size_t n)
{
	while (n && !*p) {
		p++;
		n--;
	}
	return n == 0;
}

static void put_options(struct nl_msg *m, const struct netem_values *v,
			const struct netem_tables *t)
{
	*(struct tc_netem_qopt *)nl_header(m, sizeof(v->qopt)) = v->qopt;
	for (unsigned int i = 0; i < netem_nparts; i++) {
		const struct netem_part *p = &netem_parts[i];
		const char *value = (const char *)v + p->offset;

		if (p->type && !(p->sparse && is_zero(value, p->size)))
			nl_put(m, p->type, value, p->size);
	}
	put_model(m, v);
	put_table(m, TCA_NETEM_DELAY_DIST, &t->delay);
	put_table(m, TCA_NETEM_SLOT_DIST, &t->slot);
}

void netem_message(struct nl_msg *m, int ifindex, const struct netem_values *v,
		   const struct netem_tables *t, bool first)
{
	struct tcmsg *tcm;
	struct nlattr *opts;

	nl_begin(m, RTM_NEWQDISC, first ? NLM_F_CREATE | NLM_F_EXCL : 0, "netem");
	tcm = nl_header(m, sizeof(*tcm));
	tcm->tcm_family = AF_UNSPEC;
	tcm->tcm_ifindex = ifindex;
	tcm->tcm_handle = NETEM_HANDLE;
	tcm->tcm_parent = TC_H_ROOT;
	nl_put_str(m, TCA_KIND, "netem");
	opts = nl_nest(m, TCA_OPTIONS);
	put_options(m, v, t);
	nl_end(m, opts);
	if (opts) /* not a nest proper: the struct comes first */
		opts->nla_type = TCA_OPTIONS;
}

/* -------------------------------------------------------------- read back */

struct root_qdisc {
	uint32_t handle; /* 0 with a kind: the kernel's default */
	char kind[16]; /* "" when the kernel shows none (noqueue) */
	struct netem_values v;
	uint32_t there; /* bits of the parts that the kernel told */
	uint64_t packets, bytes, drops, waiting, requeues;
	bool has_xstats;
	struct netem_xstats xstats;
};

/* Copy @a into @p when it is there and long enough. */
static bool take(void *p, size_t size, const struct nlattr *a)
{
	if (!a || mnl_attr_get_payload_len(a) < size)
		return false;
	memcpy(p, mnl_attr_get_payload(a), size);
	return true;
}

static void parse_model(struct netem_values *v, const struct nlattr *loss)
{
	const struct nlattr *tb[NETEM_LOSS_MAX + 1];

	if (!loss || nl_parse_nested(loss, tb, NETEM_LOSS_MAX) < 0)
		return;
	if (take(&v->gi, sizeof(v->gi), tb[NETEM_LOSS_GI]))
		v->model = NETEM_MODEL_GI;
	else if (take(&v->ge, sizeof(v->ge), tb[NETEM_LOSS_GE]))
		v->model = NETEM_MODEL_GE;
}

static int parse_options(struct root_qdisc *q, const struct nlattr *opts)
{
	const struct nlattr *tb[NETEM_ATTR_MAX + 1];
	struct netem_values *v = &q->v;
	int r;

	if (!take(&v->qopt, sizeof(v->qopt), opts))
		return -EBADMSG;
	r = nl_parse_buf((char *)mnl_attr_get_payload(opts) + sizeof(v->qopt),
			 mnl_attr_get_payload_len(opts) - sizeof(v->qopt), tb, NETEM_ATTR_MAX);
	if (r < 0)
		return r;
	v->latency_ns = (int64_t)v->qopt.latency * NETEM_TICK_NS;
	v->jitter_ns = (int64_t)v->qopt.jitter * NETEM_TICK_NS;
	for (unsigned int i = 0; i < netem_nparts; i++) {
		const struct netem_part *p = &netem_parts[i];

		if (!p->type || take((char *)v + p->offset, p->size, tb[p->type]))
			q->there |= 1u << i;
	}
	parse_model(v, tb[TCA_NETEM_LOSS]);
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
	q->requeues = queue.requeues;
	q->has_xstats = take(&q->xstats, sizeof(q->xstats), tb[TCA_STATS_APP]);
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

static bool is_ours(const struct root_qdisc *q)
{
	return q->handle == NETEM_HANDLE && strcmp(q->kind, "netem") == 0;
}

static int get_ours(const struct link_end *end, struct root_qdisc *q, struct choppy_err *err)
{
	int r = get_root(end, q, err);

	if (r < 0)
		return r;
	if (is_ours(q))
		return 0;
	if (q->handle)
		return err_set(err, -ENOENT,
			       "%s has no netem of choppy any more; its qdisc is %s now, which 'tc "
			       "qdisc del dev %s root' takes away",
			       end->dev, q->kind, end->dev);
	return err_set(err, -ENOENT,
		       "%s has no netem of choppy any more; its qdisc is the kernel's own now: "
		       "choppy set puts one there",
		       end->dev);
}

/* ------------------------------------------------------- what the kernel made of it */

/* A time that the kernel holds in ticks: @got in place of @sent, where its LATENCY64 or so is
 * absent. */
static int explain_ticks(char *rounded, int64_t *sent, int64_t got, const struct netem_part *p,
			 struct choppy_err *err)
{
	const struct choppy_field_row *row =
		&fields[p->type == TCA_NETEM_LATENCY64 ? CHOPPY_DELAY : CHOPPY_JITTER];
	char asked[64], held[64];
	size_t len = strlen(rounded);

	choppy_value_print(asked, sizeof(asked), row, sent);
	choppy_value_print(held, sizeof(held), row, &got);
	if (*sent - got >= NETEM_TICK_NS)
		return err_set(
			err, -EOPNOTSUPP,
			"%s %s: netem of this kernel (before Linux %s) ends at %s: give less, "
			"or use the engine (--backend engine)",
			row->name, asked, p->since, held);
	snprintf(rounded + len, BACKEND_NOTE_MAX - len, "%s%s %s is %s in this kernel",
		 len ? "; " : "netem: ", row->name, asked, held);
	*sent = got;
	return 0;
}

/*
 * Compare @got with what was sent: that becomes, in @sent, what an older kernel can hold, told in
 * @rounded; or it is an error.
 */
static int reconcile(struct netem_values *sent, const struct root_qdisc *got, char *rounded,
		     struct choppy_err *err)
{
	const char *what;
	int r;

	rounded[0] = '\0';
	for (unsigned int i = 0; i < netem_nparts; i++) {
		const struct netem_part *p = &netem_parts[i];
		char *value = (char *)sent + p->offset;

		if (got->there & 1u << i || !p->since || is_zero(value, p->size))
			continue;
		if (p->type == NETEM_PRNG_SEED) {
			sent->seed = 0; /* netem_has_seed() */
			continue;
		}
		if (p->type != TCA_NETEM_LATENCY64 && p->type != TCA_NETEM_JITTER64)
			return err_set(
				err, -EOPNOTSUPP,
				"netem of this kernel does not take %s (Linux %s has it): use "
				"the engine (--backend engine)",
				p->name, p->since);
		r = *(int64_t *)value == *(const int64_t *)((const char *)&got->v + p->offset)
			    ? 0
			    : explain_ticks(rounded, (int64_t *)value,
					    *(const int64_t *)((const char *)&got->v + p->offset),
					    p, err);
		if (r < 0)
			return r;
	}
	what = netem_difference(sent, &got->v);
	return what ? err_set(err, -EIO,
			      "netem's %s is not what was sent, as the kernel reads it back", what)
		    : 0;
}

bool netem_has_seed(const struct netem_end *e)
{
	return e->sent.seed != 0;
}

/* ------------------------------------------------------------------- apply */

/* The kernel's own words of @err, without choppy's label. */
static void kernel_words(char *ret, size_t size, const struct choppy_err *err, int code)
{
	const char *text = err ? strstr(err->msg, ": ") : NULL;

	snprintf(ret, size, "%s", text ? text + 2 : strerror(-code));
}

static int explain_refusal(const struct choppy_condition *c, bool first, int code,
			   struct choppy_err *err)
{
	char words[256];

	kernel_words(words, sizeof(words), err, code);
	if (code == -ENOENT && first)
		return err_cannot(
			err, code,
			"this kernel has no netem (%s): load it with 'modprobe sch_netem', or use "
			"the engine (--backend engine), which needs nothing",
			words);
	/* Linux 6.16 to 6.18, and their stable cousins; see ec8e0e3d7ade. */
	if (field_set(c, CHOPPY_DUPLICATE) && (code == -EINVAL || code == -EOPNOTSUPP))
		return err_set(err, code,
			       "netem: %s; some kernels of 2025 refuse duplicate: use the engine "
			       "(--backend engine)",
			       words);
	return code;
}

/*
 * netem's drops are the loss's unless the condition has a queue and no loss. Both at once cannot be
 * told apart, as check() says.
 */
static enum choppy_drop drop_reason(const struct choppy_condition *c)
{
	bool queue = field_set(c, CHOPPY_RATE) || field_set(c, CHOPPY_INFLIGHT);

	return queue && choppy_condition_loss(c) < 0 ? CHOPPY_DROP_QUEUE : CHOPPY_DROP_LOSS;
}

/* Drops since the condition last changed: all, where somebody has made the qdisc anew. */
static uint64_t drops_since(const struct netem_end *e, const struct root_qdisc *q)
{
	return q->drops >= e->drops ? q->drops - e->drops : q->drops;
}

/* What is kept of a netem with @c that has been applied; @q: as it was read back. */
static void remember(struct netem_end *e, const struct netem_values *v, const struct root_qdisc *q,
		     const struct choppy_condition *c, bool first)
{
	bool same_loss = !first && v->qopt.loss == e->sent.qopt.loss && v->model == e->sent.model &&
			 memcmp(&v->gi, &e->sent.gi, sizeof(v->gi)) == 0 &&
			 memcmp(&v->ge, &e->sent.ge, sizeof(v->ge)) == 0;

	e->sent = *v;
	e->dropped[e->reason] += drops_since(e, q);
	e->drops = q->drops;
	e->reason = drop_reason(c);
	if (same_loss)
		return;
	e->judged = q->packets + q->drops + q->waiting;
	e->lost = q->drops;
}

/* Where somebody has deleted ours, it is made anew; another's is left alone. */
static int look_for_ours(const struct link_end *end, struct netem_end *e, struct choppy_err *err)
{
	struct root_qdisc q;
	int r = e->made ? get_root(end, &q, err) : 0;

	if (r < 0 || !e->made)
		return r;
	if (is_ours(&q)) {
		/* Who has changed it may have given it tables, which no kernel tells. */
		if (netem_difference(&e->sent, &q.v))
			e->held = (struct netem_held){ .delay = true, .slot = true };
		return 0;
	}
	if (q.handle != 0)
		return err_set(
			err, -EBUSY,
			"somebody has put the qdisc %s in the place of choppy's netem: 'tc qdisc "
			"del dev %s root' takes it away",
			q.kind, end->dev);
	*e = (struct netem_end){ 0 };
	return 0;
}

void netem_change_free(struct netem_change *change)
{
	netem_tables_free(&change->tables);
}

int netem_prepare(const struct link_end *end, struct netem_end *e, const struct choppy_condition *c,
		  uint64_t seed, struct netem_change *ret, struct choppy_err *err)
{
	struct netem_change change = { 0 };
	uint32_t n;
	int r = look_for_ours(end, e, err);

	if (r == 0)
		r = netem_values_of(&change.v, &change.tables, &e->held, c, seed, err);
	n = change.tables.delay.n + change.tables.slot.n;
	if (r == 0 && n > TABLES_MAX)
		r = err_set(
			err, -E2BIG,
			"the tables of the two distributions have %u entries, and netem can take "
			"%d in one change: use the engine (--backend engine)",
			n, TABLES_MAX);
	if (r < 0) {
		netem_change_free(&change);
		err_prefix(err, "%s", end->dev);
		return r;
	}
	*ret = change;
	return 0;
}

int netem_commit(const struct link_end *end, struct netem_end *e, const struct choppy_condition *c,
		 struct netem_change *change, struct choppy_err *err)
{
	const bool first = !e->made;
	char rounded[BACKEND_NOTE_MAX];
	struct root_qdisc q;
	struct nl_msg m;
	int r;

	nl_msg_init(&m);
	netem_message(&m, end->ifindex, &change->v, &change->tables, first);
	r = nl_do(end->nl, &m, err);
	if (r < 0)
		r = explain_refusal(c, first, r, err);
	if (r == 0) { /* in force, whatever is read back */
		e->made = true;
		e->held.delay |= change->tables.delay.n != 0;
		e->held.slot |= change->tables.slot.n != 0;
		r = get_ours(end, &q, err);
	}
	if (r == 0)
		r = reconcile(&change->v, &q, rounded, err);
	if (r == 0) {
		remember(e, &change->v, &q, c, first);
		memcpy(e->rounded, rounded, sizeof(rounded));
	} else {
		err_prefix(err, "%s", end->dev);
	}
	netem_change_free(change);
	return r;
}

int netem_apply(const struct link_end *end, struct netem_end *e, const struct choppy_condition *c,
		uint64_t seed, struct choppy_err *err)
{
	struct netem_change change;
	int r = netem_prepare(end, e, c, seed, &change, err);

	return r < 0 ? r : netem_commit(end, e, c, &change, err);
}

/* -------------------------------------------------------------------- read */

/* Before Linux 7.2 netem tells drops, and what it has put ahead of others, and no more. */
static void fill_counters(struct choppy_counters *k, const struct root_qdisc *q,
			  const struct netem_end *e, const struct choppy_condition *c)
{
	bool anew;

	memset(k, 0, sizeof(*k));
	k->delivered = q->packets;
	k->delivered_bytes = q->bytes;
	k->waiting = q->waiting;
	k->packets = q->packets + q->drops + q->waiting;
	k->bytes = q->bytes;
	if (q->has_xstats) {
		k->dropped[CHOPPY_DROP_LOSS] = q->xstats.dropped;
		k->dropped[CHOPPY_DROP_QUEUE] = q->drops - q->xstats.dropped;
		k->corrupted = q->xstats.corrupted;
		k->duplicated = q->xstats.duplicated;
		k->reordered = q->xstats.reordered;
		k->marked = q->xstats.ecn_marked;
	} else {
		memcpy(k->dropped, e->dropped, sizeof(k->dropped));
		k->dropped[e->reason] += drops_since(e, q);
		k->corrupted = k->duplicated = k->marked = CHOPPY_UNKNOWN;
		k->reordered = q->requeues;
	}
	/* A duplicate is a packet more behind the loss, and an ECN mark counts as a drop. */
	if (choppy_condition_loss(c) < 0 || field_set(c, CHOPPY_RATE) ||
	    field_set(c, CHOPPY_INFLIGHT) || field_set(c, CHOPPY_DUPLICATE) ||
	    field_set(c, CHOPPY_ECN))
		return;
	/* Somebody may have made it anew, with our handle: it counts from nothing then. */
	anew = k->packets < e->judged || q->drops < e->lost;
	k->judged = k->packets - (anew ? 0 : e->judged);
	k->judged_lost = q->drops - (anew ? 0 : e->lost);
}

int netem_read(const struct link_end *end, const struct netem_end *e,
	       const struct choppy_condition *c, struct netem_reading *ret, struct choppy_err *err)
{
	struct netem_reading reading = { 0 };
	struct root_qdisc q;
	int r = get_ours(end, &q, err);

	if (r < 0)
		return r;
	reading.v = q.v;
	reading.changed = netem_difference(&e->sent, &q.v);
	fill_counters(&reading.counters, &q, e, c);
	*ret = reading;
	return 0;
}

int qdisc_foreign(const struct link_end *end, char kind[16], struct choppy_err *err)
{
	struct root_qdisc q;
	int r = get_root(end, &q, err);

	if (r < 0)
		return r;
	if (q.handle == 0 || is_ours(&q))
		q.kind[0] = '\0';
	memcpy(kind, q.kind, sizeof(q.kind));
	return 0;
}
