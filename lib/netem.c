/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A condition in netem's terms, and where the two do not meet.
 *
 * What netem counts and how is its own: shares are fractions of 2^32 - 1 (every value that
 * a condition can have comes back as it was), times are nanoseconds beside ticks of 64 ns, a rate
 * is whole bytes a second, the Gilbert-Elliott model has h where the words have 1-h.
 *
 * Order. netem sorts packets by the time at which they leave, so jitter lets them overtake; but
 * with a rate no packet leaves before the one in front of it (sch_netem.c: the last packet's time
 * is the base). So where the condition says neither `reorder jitter` nor `netem-raw`, a jitter gets
 * a rate at which a packet takes no time: max(time of the packet before, own delay), as in the
 * engine.
 *
 * The limit. netem's counts all packets that it holds, ours counts the queue
 * before the rate only. netem with a rate makes a packet wait for the one before it and then for
 * its own transmission, beside the delay; so a line full of the smallest packets
 * holds (the longest delay) * rate / size of them, plus the one being sent, plus
 * the queue. That sum is the kernel's limit: it never drops what the model
 * keeps, but lets a queue of large packets grow longer than asked, which check() says.
 * Without a rate nothing queues, and the limit is as good as none. `inflight` is netem's own.
 *
 * Runs of losses (`loss P burst B`) are netem's gemodel with r = 1/B and p = P / (B (1 - P)):
 * Gilbert 1960, what the engine does too.
 *
 * Tables. A netem that has once got a distribution table cannot be told to forget it, so going back
 * to the even distribution takes a table of that: for the delay from -1 to 1 deviations, for a slot
 * from 0 to 1 of its width above the least.
 */
#include "netem.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "backend.h"
#include "distribution.h"
#include "err.h"
#include "fields.h"
#include "util.h"
#include "value.h"

/* The most that tools print rightly, which many take for a signed number; as many packets
 * would need more than a terabyte. */
#define LIMIT_NONE INT32_MAX
/* An Ethernet header and the smallest IP header: the smallest packet a condition applies to. */
#define SMALLEST_FRAME 34
/* The kernel's cap on a deviation, beyond which it would silently cut. */
#define JITTER_MAX_NS INT32_MAX
/* A packet of 64 KiB takes less than a nanosecond, and tc(8) can say it: 2^63 bit/s. */
#define RATE_HOLD (1ull << 60)
#define OVERHEAD_MAX INT32_MAX

#define USE_ENGINE "or use the engine (--backend engine)"

#define BIT(f) CHOPPY_FIELD_BIT(CHOPPY_##f)
#define CORRELATIONS                                                                               \
	(BIT(DELAY_CORRELATION) | BIT(LOSS_CORRELATION) | BIT(DUPLICATE_CORRELATION) |             \
	 BIT(CORRUPT_CORRELATION) | BIT(REORDER_CORRELATION))

#define PART(n, t, member)                                                                         \
	.name = n, .type = t, .offset = offsetof(struct netem_values, member),                     \
	.size = sizeof(((struct netem_values *)0)->member)

const struct netem_part netem_parts[] = {
	{ PART("latency", 0, qopt.latency) },
	{ PART("limit", 0, qopt.limit) },
	{ PART("loss", 0, qopt.loss) },
	{ PART("gap", 0, qopt.gap) },
	{ PART("duplicate", 0, qopt.duplicate) },
	{ PART("jitter", 0, qopt.jitter) },
	{ PART("CORR", TCA_NETEM_CORR, corr) },
	{ PART("REORDER", TCA_NETEM_REORDER, reorder) },
	{ PART("CORRUPT", TCA_NETEM_CORRUPT, corrupt) },
	{ PART("RATE64", TCA_NETEM_RATE64, rate64), .sparse = true, .since = "3.14" },
	{ PART("RATE", TCA_NETEM_RATE, rate) },
	{ PART("ECN", TCA_NETEM_ECN, ecn) },
	{ PART("LATENCY64", TCA_NETEM_LATENCY64, latency_ns), .since = "4.16" },
	{ PART("JITTER64", TCA_NETEM_JITTER64, jitter_ns), .since = "4.16" },
	{ PART("SLOT", TCA_NETEM_SLOT, slot), .since = "4.16" },
	{ PART("PRNG_SEED", NETEM_PRNG_SEED, seed), .since = "6.6" },
};
const unsigned int netem_nparts = ARRAY_SIZE(netem_parts);

const char *netem_difference(const struct netem_values *a, const struct netem_values *b)
{
	for (unsigned int i = 0; i < netem_nparts; i++) {
		const struct netem_part *p = &netem_parts[i];

		if (memcmp((const char *)a + p->offset, (const char *)b + p->offset, p->size) != 0)
			return p->name;
	}
	if (a->model != b->model ||
	    (a->model == NETEM_MODEL_GI && memcmp(&a->gi, &b->gi, sizeof(a->gi)) != 0) ||
	    (a->model == NETEM_MODEL_GE && memcmp(&a->ge, &b->ge, sizeof(a->ge)) != 0))
		return "LOSS";
	return NULL;
}

/* ------------------------------------------------------------------ numbers */

static uint32_t ticks(uint64_t ns)
{
	return ns / NETEM_TICK_NS > UINT32_MAX ? UINT32_MAX : ns / NETEM_TICK_NS;
}

/* @n of @d as a fraction of UINT32_MAX, a tie to the even one; @n <= @d. */
static uint32_t fraction(unsigned __int128 n, unsigned __int128 d)
{
	unsigned __int128 q = n * UINT32_MAX / d, rest = n * UINT32_MAX % d;

	return (uint32_t)(q + (rest * 2 > d || (rest * 2 == d && q % 2)));
}

uint32_t netem_fraction(uint64_t ppb)
{
	return fraction(ppb, ALWAYS_PPB);
}

static uint32_t fraction_of(const struct choppy_condition *c, enum choppy_field f, uint64_t ppb)
{
	return field_set(c, f) ? netem_fraction(ppb) : 0;
}

/* Packets of @size beside the queue that a line of @rate byte/s can hold, LIMIT_NONE at most. */
static uint32_t line_packets(uint64_t rate, uint64_t ns, uint32_t size)
{
	unsigned __int128 bytes_e9 = (unsigned __int128)rate * ns;
	const unsigned __int128 per_packet = (unsigned __int128)size * 1000000000;
	unsigned __int128 n = (bytes_e9 + per_packet - 1) / per_packet + 1;

	return n > LIMIT_NONE ? LIMIT_NONE : (uint32_t)n;
}

/* The longest delay: a table reaches several deviations. */
static uint64_t longest_ns(const struct netem_values *v, const struct netem_table *t)
{
	int most = t->n ? 0 : DISTRIBUTION_ONE;

	for (uint32_t i = 0; i < t->n; i++)
		if (t->entry[i] > most)
			most = t->entry[i];
	return (uint64_t)v->latency_ns +
	       ((uint64_t)v->jitter_ns * (uint64_t)most + DISTRIBUTION_ONE - 1) / DISTRIBUTION_ONE;
}

/* What the smallest packet counts for the rate. */
static uint32_t smallest_packet(const struct choppy_condition *c)
{
	int32_t overhead = field_set(c, CHOPPY_OVERHEAD) ? c->overhead.bytes : 0;

	return overhead <= -SMALLEST_FRAME ? 1 : (uint32_t)(SMALLEST_FRAME + overhead);
}

static uint32_t kernel_limit(const struct choppy_condition *c, const struct netem_values *v,
			     const struct netem_table *t)
{
	uint64_t queue = field_set(c, CHOPPY_LIMIT) ? c->limit.n : CHOPPY_LIMIT_DEFAULT_PACKETS;
	uint64_t n;

	if (field_set(c, CHOPPY_INFLIGHT))
		return (uint32_t)c->inflight;
	if (!field_set(c, CHOPPY_RATE))
		return LIMIT_NONE;
	n = queue + line_packets(c->rate_bps / 8, longest_ns(v, t), smallest_packet(c));
	return n > LIMIT_NONE ? LIMIT_NONE : n;
}

/* ------------------------------------------------------------------- values */

static void put_delay(struct netem_values *v, const struct choppy_condition *c)
{
	v->latency_ns = field_set(c, CHOPPY_DELAY) ? (int64_t)c->delay_ns : 0;
	v->jitter_ns = field_set(c, CHOPPY_JITTER) ? (int64_t)c->jitter_ns : 0;
	v->qopt.latency = ticks((uint64_t)v->latency_ns);
	v->qopt.jitter = ticks((uint64_t)v->jitter_ns);
	v->corr.delay_corr = fraction_of(c, CHOPPY_DELAY_CORRELATION, c->delay_correlation_ppb);
}

/* Where words leave a value out it is what the engine and tc(8) take it for. */
static void put_models(struct netem_values *v, const struct choppy_condition *c)
{
	const uint64_t burst = c->loss_burst_ppm, one = 1000000;

	if (field_set(c, CHOPPY_STATE_P13)) {
		v->model = NETEM_MODEL_GI;
		v->gi.p13 = netem_fraction(c->state_p13_ppb);
		v->gi.p31 = field_set(c, CHOPPY_STATE_P31) ? netem_fraction(c->state_p31_ppb)
							   : UINT32_MAX - v->gi.p13;
		v->gi.p32 = fraction_of(c, CHOPPY_STATE_P32, c->state_p32_ppb);
		v->gi.p23 = field_set(c, CHOPPY_STATE_P23) ? netem_fraction(c->state_p23_ppb)
							   : UINT32_MAX;
		v->gi.p14 = fraction_of(c, CHOPPY_STATE_P14, c->state_p14_ppb);
	} else if (field_set(c, CHOPPY_GE_P)) {
		v->model = NETEM_MODEL_GE;
		v->ge.p = netem_fraction(c->ge_p_ppb);
		v->ge.r = field_set(c, CHOPPY_GE_R) ? netem_fraction(c->ge_r_ppb)
						    : UINT32_MAX - v->ge.p;
		v->ge.h = field_set(c, CHOPPY_GE_BAD) ? UINT32_MAX - netem_fraction(c->ge_bad_ppb)
						      : 0;
		v->ge.k1 = fraction_of(c, CHOPPY_GE_GOOD, c->ge_good_ppb);
	} else if (field_set(c, CHOPPY_LOSS_BURST) && c->loss_ppb) {
		v->model = NETEM_MODEL_GE;
		v->ge.p = fraction((unsigned __int128)c->loss_ppb * one,
				   (unsigned __int128)(ALWAYS_PPB - c->loss_ppb) * burst);
		v->ge.r = fraction(one, burst);
	} else {
		v->qopt.loss = fraction_of(c, CHOPPY_LOSS, c->loss_ppb);
		v->corr.loss_corr =
			fraction_of(c, CHOPPY_LOSS_CORRELATION, c->loss_correlation_ppb);
	}
	v->ecn = field_set(c, CHOPPY_ECN) && (v->model || v->qopt.loss);
}

static void put_chances(struct netem_values *v, const struct choppy_condition *c)
{
	v->qopt.duplicate = fraction_of(c, CHOPPY_DUPLICATE, c->duplicate_ppb);
	v->corr.dup_corr =
		fraction_of(c, CHOPPY_DUPLICATE_CORRELATION, c->duplicate_correlation_ppb);
	v->corrupt.probability = fraction_of(c, CHOPPY_CORRUPT, c->corrupt_ppb);
	v->corrupt.correlation =
		fraction_of(c, CHOPPY_CORRUPT_CORRELATION, c->corrupt_correlation_ppb);
	if (!field_set(c, CHOPPY_REORDER))
		return;
	v->reorder.probability = netem_fraction(c->reorder_ppb);
	v->reorder.correlation =
		fraction_of(c, CHOPPY_REORDER_CORRELATION, c->reorder_correlation_ppb);
	/* With a gap of 0 nothing would be reordered, and of a chance of 0 the kernel makes 100%.
	 */
	v->qopt.gap = field_set(c, CHOPPY_REORDER_GAP) ? (uint32_t)c->reorder_gap
						       : !!c->reorder_ppb;
}

/* Whether a jitter must not change the order. */
static bool holds_order(const struct choppy_condition *c)
{
	return field_set(c, CHOPPY_JITTER) && c->jitter_ns &&
	       !field_set(c, CHOPPY_REORDER_JITTER) && !field_set(c, CHOPPY_NETEM_RAW);
}

static void put_rate(struct netem_values *v, const struct choppy_condition *c)
{
	uint64_t rate = field_set(c, CHOPPY_RATE) ? c->rate_bps / 8
			: holds_order(c)	  ? RATE_HOLD
						  : 0;

	v->rate.rate = rate > UINT32_MAX ? UINT32_MAX : (uint32_t)rate;
	v->rate64 = rate > UINT32_MAX ? rate : 0;
	v->rate.packet_overhead = field_set(c, CHOPPY_OVERHEAD) ? c->overhead.bytes : 0;
	v->rate.cell_size = field_set(c, CHOPPY_CELL_SIZE) ? (uint32_t)c->cell_size_bytes : 0;
	if (field_set(c, CHOPPY_CELL_SIZE))
		v->rate.cell_overhead =
			field_set(c, CHOPPY_CELL_OVERHEAD) ? (int32_t)c->cell_overhead_bytes : 5;
}

static void put_slot(struct netem_values *v, const struct choppy_condition *c)
{
	if (field_set(c, CHOPPY_SLOT)) {
		v->slot.min_delay = (int64_t)c->slot_ns;
		v->slot.max_delay =
			(int64_t)(field_set(c, CHOPPY_SLOT_MAX) ? c->slot_max_ns : c->slot_ns);
	} else if (field_set(c, CHOPPY_SLOT_DISTRIBUTION)) {
		v->slot.dist_delay = (int64_t)c->slot_delay_ns;
		v->slot.dist_jitter = (int64_t)c->slot_jitter_ns;
	}
	v->slot.max_packets = field_set(c, CHOPPY_SLOT_PACKETS) ? (int32_t)c->slot_packets : 0;
	v->slot.max_bytes = field_set(c, CHOPPY_SLOT_BYTES) ? (int32_t)c->slot_bytes : 0;
}

/* ------------------------------------------------------------------- tables */

static void table_free(struct netem_table *t)
{
	distribution_free(t->entry);
	*t = (struct netem_table){ 0 };
}

#define RAMP_SIZE (DISTRIBUTION_ONE + 1)

/* Evenly from @from to DISTRIBUTION_ONE, both of them in. */
static int make_ramp(struct netem_table *ret, int from, struct choppy_err *err)
{
	int16_t *entry = malloc(RAMP_SIZE * sizeof(*entry));
	const int span = DISTRIBUTION_ONE - from;

	if (!entry)
		return err_set(err, -ENOMEM, "out of memory");
	for (int i = 0; i < RAMP_SIZE; i++)
		entry[i] = (int16_t)(from + i * (span / DISTRIBUTION_ONE));
	*ret = (struct netem_table){ .entry = entry, .n = RAMP_SIZE };
	return 0;
}

static int delay_table(struct netem_table *ret, bool held, const struct choppy_condition *c,
		       struct choppy_err *err)
{
	int r;

	if (!field_set(c, CHOPPY_JITTER) || !c->jitter_ns)
		return 0;
	if (field_set(c, CHOPPY_DISTRIBUTION)) {
		r = distribution_load(c->distribution, &ret->entry, &ret->n, err);
		if (r < 0 || ret->n)
			return r;
	}
	return held ? make_ramp(ret, -DISTRIBUTION_ONE, err) : 0;
}

static int slot_table(struct netem_table *ret, struct netem_values *v, bool held,
		      const struct choppy_condition *c, struct choppy_err *err)
{
	struct tc_netem_slot *s = &v->slot;
	int r;

	if (field_set(c, CHOPPY_SLOT_DISTRIBUTION)) {
		r = distribution_load(c->slot_distribution, &ret->entry, &ret->n, err);
		if (r < 0 || (ret->n && s->dist_jitter))
			return r;
		/* The even one needs no table; and without a deviation netem would have no slots.
		 */
		table_free(ret);
		s->min_delay = s->dist_delay - s->dist_jitter;
		s->max_delay = s->dist_delay + s->dist_jitter;
		s->dist_delay = s->dist_jitter = 0;
	}
	if (!held || !(s->min_delay | s->max_delay))
		return 0;
	r = make_ramp(ret, 0, err);
	s->dist_delay = s->min_delay;
	s->dist_jitter = s->max_delay - s->min_delay;
	return r;
}

void netem_tables_free(struct netem_tables *t)
{
	table_free(&t->delay);
	table_free(&t->slot);
}

int netem_values_of(struct netem_values *ret, struct netem_tables *ret_tables,
		    const struct netem_held *held, const struct choppy_condition *c, uint64_t seed,
		    struct choppy_err *err)
{
	int r;

	memset(ret, 0, sizeof(*ret));
	memset(ret_tables, 0, sizeof(*ret_tables));
	put_delay(ret, c);
	put_models(ret, c);
	put_chances(ret, c);
	put_rate(ret, c);
	put_slot(ret, c);
	ret->seed = seed;
	r = delay_table(&ret_tables->delay, held->delay, c, err);
	if (r < 0)
		return r;
	ret->qopt.limit = kernel_limit(c, ret, &ret_tables->delay);
	return slot_table(&ret_tables->slot, ret, held->slot, c, err);
}

/* -------------------------------------------------------------------- check */

static int refuse(enum choppy_field f, const struct choppy_condition *c, const char *why,
		  struct choppy_err *err)
{
	char text[CHOPPY_VALUE_TEXT_MAX];

	choppy_value_print(text, sizeof(text), &fields[f], field_const_value(c, f));
	return err_set(err, -EOPNOTSUPP, "%s %s: %s, " USE_ENGINE, fields[f].name, text, why);
}

static int check_limit(const struct choppy_condition *c, struct choppy_err *err)
{
	if (field_set(c, CHOPPY_LIMIT) && c->limit.unit != CHOPPY_PACKETS)
		return refuse(CHOPPY_LIMIT, c,
			      "netem can limit a queue by packets only: give a number of packets",
			      err);
	if (field_set(c, CHOPPY_LIMIT) && field_set(c, CHOPPY_INFLIGHT))
		return err_set(err, -EINVAL,
			       "limit and inflight are the same number in netem: give one of them");
	return 0;
}

static int check_rate(const struct choppy_condition *c, struct choppy_err *err)
{
	if (field_set(c, CHOPPY_RATE) && c->rate_bps % 8)
		return refuse(CHOPPY_RATE, c,
			      "netem holds whole bytes a second only: give a multiple of 8bit",
			      err);
	if (field_set(c, CHOPPY_RATE) && field_set(c, CHOPPY_REORDER_JITTER))
		return err_set(
			err, -EOPNOTSUPP,
			"reorder jitter: netem with a rate keeps the order of packets: leave "
			"one of them out, " USE_ENGINE);
	if (field_set(c, CHOPPY_OVERHEAD) && c->overhead.least)
		return refuse(CHOPPY_OVERHEAD, c,
			      "netem has no least size of a packet: give the bytes that are added",
			      err);
	if (field_set(c, CHOPPY_QUEUE) && c->queue != CHOPPY_QUEUE_TAIL)
		return refuse(CHOPPY_QUEUE, c, "netem drops at the tail only: leave it out", err);
	return 0;
}

static int check_times(const struct choppy_condition *c, struct choppy_err *err)
{
	static const char cut[] = "netem ends at 2147483647ns: give less";

	if (field_set(c, CHOPPY_JITTER) && c->jitter_ns > JITTER_MAX_NS)
		return refuse(CHOPPY_JITTER, c, cut, err);
	if (field_set(c, CHOPPY_SLOT_JITTER) && c->slot_jitter_ns > JITTER_MAX_NS)
		return refuse(CHOPPY_SLOT_JITTER, c, cut, err);
	if (field_set(c, CHOPPY_SLOT) && !c->slot_ns &&
	    !(field_set(c, CHOPPY_SLOT_MAX) && c->slot_max_ns))
		return refuse(CHOPPY_SLOT, c, "netem takes this for no slots: leave it out", err);
	if (field_set(c, CHOPPY_SLOT_JITTER) && c->slot_jitter_ns > JITTER_MAX_NS / 2 &&
	    strcmp(c->slot_distribution, "uniform") == 0)
		return refuse(CHOPPY_SLOT_JITTER, c, "netem's slots differ by 2147483647ns at most",
			      err);
	/* So that it can be said by a table as well. */
	if (field_set(c, CHOPPY_SLOT_MAX) && c->slot_max_ns - c->slot_ns > JITTER_MAX_NS)
		return refuse(CHOPPY_SLOT_MAX, c, "netem's slots differ by 2147483647ns at most",
			      err);
	return 0;
}

static int check_raw(const struct choppy_condition *c, struct choppy_err *err)
{
	if (!(c->set & CORRELATIONS) || field_set(c, CHOPPY_NETEM_RAW))
		return 0;
	for (int f = 0; f < CHOPPY_NFIELDS; f++)
		if (c->set & CORRELATIONS & CHOPPY_FIELD_BIT(f))
			return refuse(f, c,
				      "netem's correlation keeps neither the share nor the "
				      "correlation (loss 20% 75% loses 0.12%): leave it out, add "
				      "netem-raw to have netem's all the same",
				      err);
	return 0;
}

static int check_reorder(const struct choppy_condition *c, struct choppy_err *err)
{
	if (field_set(c, CHOPPY_REORDER) && !c->delay_ns)
		return refuse(CHOPPY_REORDER, c,
			      "reordered packets skip the delay, which is 0: give more delay", err);
	if (!field_set(c, CHOPPY_REORDER_GAP) || c->reorder_ppb)
		return 0;
	return err_set(err, -EOPNOTSUPP,
		       "reorder 0%% with a gap: netem would take the share for 100%%: leave it "
		       "out, " USE_ENGINE);
}

/* Where netem's result differs from the model. */
static const struct remark {
	uint64_t all, any; /* fields that are set: all of these, and one of those */
	uint64_t none; /* and none of these */
	const char *text;
} remarks[] = {
	{ BIT(JITTER), BIT(JITTER), BIT(RATE) | BIT(REORDER_JITTER) | BIT(NETEM_RAW),
	  "order is kept by a rate of 2^63 bit/s, which netem shows" },
	{ BIT(JITTER) | BIT(RATE), BIT(RATE), 0, "a packet's delay holds the rate up too" },
	{ BIT(RATE) | BIT(DELAY), BIT(RATE), BIT(INFLIGHT),
	  "the limit also counts the delay line" },
	{ BIT(RATE), BIT(LOSS) | BIT(GE_P) | BIT(STATE_P13), 0,
	  "drops by loss and queue are counted as one" },
	{ BIT(INFLIGHT), BIT(LOSS) | BIT(GE_P) | BIT(STATE_P13), BIT(RATE),
	  "drops by loss and by inflight are counted as one" },
	{ BIT(NETEM_RAW) | BIT(JITTER), BIT(JITTER), BIT(RATE), "jitter reorders" },
	{ BIT(NETEM_RAW), CORRELATIONS, 0, "correlations are not what they say" },
	{ BIT(CORRUPT), BIT(CORRUPT), 0, "the wrong bit is in the headers of most packets" },
	{ BIT(ECN), BIT(ECN), 0, "marked packets may be counted as drops" },
};

/* The fields that do something: a loss of 0% has no effect to remark on. */
static uint64_t effective(const struct choppy_condition *c)
{
	return c->set & ~((c->jitter_ns ? 0 : BIT(JITTER)) | (c->loss_ppb ? 0 : BIT(LOSS)) |
			  (c->corrupt_ppb ? 0 : BIT(CORRUPT)) | (c->delay_ns ? 0 : BIT(DELAY)));
}

static void write_note(const struct choppy_condition *c, char *note)
{
	struct text t = text_begin(note, BACKEND_NOTE_MAX);
	const uint64_t set = effective(c);

	for (size_t i = 0; i < ARRAY_SIZE(remarks); i++) {
		const struct remark *m = &remarks[i];

		if ((set & m->all) == m->all && set & m->any && !(set & m->none))
			text_add(&t, "%s%s", t.len ? "; " : "netem: ", m->text);
	}
}

static int netem_check(const struct choppy_condition *c, char *note, struct choppy_err *err)
{
	static int (*const all[])(const struct choppy_condition *c, struct choppy_err *err) = {
		check_times, check_rate, check_limit, check_raw, check_reorder,
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(all); i++)
		r = all[i](c, err);
	if (r == 0)
		write_note(c, note);
	return r;
}

const struct backend netem_backend = {
	.name = "netem",
	.fields = BIT(DELAY) | BIT(JITTER) | BIT(DISTRIBUTION) | BIT(LOSS) | BIT(LOSS_BURST) |
		  BIT(GE_P) | BIT(GE_R) | BIT(GE_BAD) | BIT(GE_GOOD) | BIT(STATE_P13) |
		  BIT(STATE_P31) | BIT(STATE_P32) | BIT(STATE_P23) | BIT(STATE_P14) |
		  BIT(DUPLICATE) | BIT(CORRUPT) | BIT(REORDER) | BIT(REORDER_GAP) |
		  BIT(REORDER_JITTER) | BIT(RATE) | BIT(OVERHEAD) | BIT(CELL_SIZE) |
		  BIT(CELL_OVERHEAD) | BIT(LIMIT) | BIT(INFLIGHT) | BIT(QUEUE) | BIT(ECN) |
		  BIT(SLOT) | BIT(SLOT_MAX) | BIT(SLOT_DISTRIBUTION) | BIT(SLOT_DELAY) |
		  BIT(SLOT_JITTER) | BIT(SLOT_PACKETS) | BIT(SLOT_BYTES) | BIT(NETEM_RAW) |
		  CORRELATIONS,
	.check = netem_check,
};
