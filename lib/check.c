/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether a whole condition means something: each value by its row, then what must go
 * together or cannot, a function each. Each names the row at fault, so that the parser can
 * point at the word that gave it.
 */
#include <errno.h>
#include <string.h>

#include "condition.h"
#include "distribution.h"
#include "err.h"
#include "util.h"

static const char *text_of(char buf[64], const struct choppy_condition *c, int f)
{
	choppy_value_print(buf, 64, &fields[f], field_const_value(c, f));
	return buf;
}

static const char *text_of_n(char buf[64], int f, uint64_t n)
{
	choppy_value_print(buf, 64, &fields[f], &n);
	return buf;
}

/* --------------------------------------------------------------- each row */

/* A further value stands behind the one before it: without that no words would say it. */
static int check_place(const struct choppy_condition *c, int f, struct choppy_err *err)
{
	if (fields[f].place != CHOPPY_PLACE_VALUE || field_set(c, f - 1))
		return 0;
	return err_set(err, -EINVAL, "%s needs %s before it", fields[f].name, fields[f - 1].name);
}

static int check_rows(const struct choppy_condition *c, int *ret_field, struct choppy_err *err)
{
	int f, r;

	for (f = 0; f < CHOPPY_NFIELDS; f++) {
		if (!field_set(c, f))
			continue;
		*ret_field = f;
		r = value_check(&fields[f], field_const_value(c, f), err);
		if (r < 0)
			return r;
		if (fields[f].needs && !(fields[f].needs & c->set))
			return err_set(err, -EINVAL, "%s", fields[f].why_needs);
		r = check_place(c, f, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* A clause has its own value or one of those that stand in its place. */
static int check_alternatives(const struct choppy_condition *c, int *ret_field,
			      struct choppy_err *err)
{
	int f, first = -1;

	for (f = 0; f < CHOPPY_NFIELDS; f++) {
		if (fields[f].place == CHOPPY_PLACE_CLAUSE)
			first = -1;
		if (!field_set(c, f) || (fields[f].place != CHOPPY_PLACE_CLAUSE &&
					 fields[f].place != CHOPPY_PLACE_INSTEAD))
			continue;
		if (first >= 0) {
			*ret_field = f;
			return err_set(err, -EINVAL, "%s and %s exclude each other",
				       fields[first].name, fields[f].name);
		}
		first = f;
	}
	return 0;
}

/* ------------------------------------------------------------------ delays */

/* How far below its mean the shape @name reaches, in DISTRIBUTION_ONEths of the deviation. */
static int distribution_reach(int *ret, const char *name, struct choppy_err *err)
{
	const int16_t *table = NULL;
	uint32_t n = 0;
	int r = distribution_load(name, &table, &n, err);

	if (r < 0) {
		if (err)
			err->code = -EINVAL;
		return -EINVAL;
	}
	*ret = -distribution_least(table, n);
	distribution_free(table);
	return 0;
}

/* A random time: fields of its shape, its mean and its deviation, and what cannot be. */
struct spread {
	int shape, mean, deviation;
	const char *why;
};

/* That it is never below zero. */
static int check_tail(const struct choppy_condition *c, const struct spread *s, int *ret_field,
		      struct choppy_err *err)
{
	const char *shape = field_set(c, s->shape) ? field_const_value(c, s->shape) : "uniform";
	uint64_t mean = *(const uint64_t *)field_const_value(c, s->mean);
	uint64_t deviation = *(const uint64_t *)field_const_value(c, s->deviation);
	int reach = DISTRIBUTION_ONE, hundredths;
	char m[64], d[64], most[64];

	if (!field_set(c, s->mean) || !field_set(c, s->deviation))
		return 0;
	*ret_field = s->shape;
	if (distribution_reach(&reach, shape, err) < 0)
		return -EINVAL;
	if (reach <= 0 || (unsigned __int128)deviation * (unsigned int)reach <=
				  (unsigned __int128)mean * DISTRIBUTION_ONE)
		return 0;
	*ret_field = s->deviation;
	hundredths = (reach * 100 + DISTRIBUTION_ONE / 2) / DISTRIBUTION_ONE;
	text_of(m, c, s->mean);
	text_of(d, c, s->deviation);
	text_of_n(most, s->deviation,
		  (uint64_t)((unsigned __int128)mean * DISTRIBUTION_ONE / (unsigned int)reach));
	if (reach == DISTRIBUTION_ONE)
		return err_set(err, -EINVAL, "%s %s is above %s %s: %s; at most %s",
			       fields[s->deviation].name, d, fields[s->mean].name, m, s->why, most);
	return err_set(err, -EINVAL,
		       "%s %s is too wide for %s %s: the distribution %s reaches %d.%02d times as "
		       "far below, and %s; at most %s",
		       fields[s->deviation].name, d, fields[s->mean].name, m, shape,
		       hundredths / 100, hundredths % 100, s->why, most);
}

static int check_jitter(const struct choppy_condition *c, int *ret_field, struct choppy_err *err)
{
	static const struct spread delay = { CHOPPY_DISTRIBUTION, CHOPPY_DELAY, CHOPPY_JITTER,
					     "packets cannot leave before they arrive" };

	return check_tail(c, &delay, ret_field, err);
}

static int check_slot(const struct choppy_condition *c, int *ret_field, struct choppy_err *err)
{
	static const struct spread slot = { CHOPPY_SLOT_DISTRIBUTION, CHOPPY_SLOT_DELAY,
					    CHOPPY_SLOT_JITTER,
					    "no time between slots can be negative" };
	char least[64], most[64];

	if (field_set(c, CHOPPY_SLOT_DISTRIBUTION)) {
		*ret_field = CHOPPY_SLOT_DISTRIBUTION;
		if (!field_set(c, CHOPPY_SLOT_JITTER))
			return err_set(err, -EINVAL, "%s", fields[CHOPPY_SLOT_JITTER].why_needs);
		return check_tail(c, &slot, ret_field, err);
	}
	if (!field_set(c, CHOPPY_SLOT_MAX) || c->slot_max_ns >= c->slot_ns)
		return 0;
	*ret_field = CHOPPY_SLOT_MAX;
	return err_set(err, -EINVAL, "slot-max %s is below slot %s: write slot %s %s",
		       text_of(most, c, CHOPPY_SLOT_MAX), text_of(least, c, CHOPPY_SLOT), most,
		       least);
}

/* -------------------------------------------------------------------- loss */

/*
 * Runs of B packets on average with a share L lost in all begin with the chance L / (B (1 - L))
 * behind a packet that passed, which is 1 at most: L <= B / (B + 1).
 */
static int check_burst(const struct choppy_condition *c, int *ret_field, struct choppy_err *err)
{
	const unsigned __int128 one = 1000000;
	unsigned __int128 loss = c->loss_ppb, burst = c->loss_burst_ppm, least;
	char share[64], mean[64], most[64], longer[64];

	if (!field_set(c, CHOPPY_LOSS_BURST) || !field_set(c, CHOPPY_LOSS))
		return 0;
	*ret_field = CHOPPY_LOSS_BURST;
	if (field_set(c, CHOPPY_LOSS_CORRELATION))
		return err_set(err, -EINVAL,
			       "a correlation and burst both say how losses follow each other: "
			       "give one of them");
	if (loss * (burst + one) <= burst * ALWAYS_PPB)
		return 0;
	text_of(share, c, CHOPPY_LOSS);
	text_of(mean, c, CHOPPY_LOSS_BURST);
	if (loss >= ALWAYS_PPB)
		return err_set(err, -EINVAL, "loss %s is one run without end: leave burst %s out",
			       share, mean);
	text_of_n(most, CHOPPY_LOSS, (uint64_t)(burst * ALWAYS_PPB / (burst + one)));
	least = (loss * one + ALWAYS_PPB - loss - 1) / (ALWAYS_PPB - loss);
	text_of_n(longer, CHOPPY_LOSS_BURST, (uint64_t)least);
	return err_set(err, -EINVAL,
		       "loss %s cannot come in runs of %s packets, with one that passes between "
		       "them: at most loss %s, or at least burst %s",
		       share, mean, most, longer);
}

static int check_states(const struct choppy_condition *c, int *ret_field, struct choppy_err *err)
{
	static const struct {
		int one, other;
		const char *from;
	} rows[] = {
		{ CHOPPY_STATE_P13, CHOPPY_STATE_P14, "good (1)" },
		{ CHOPPY_STATE_P31, CHOPPY_STATE_P32, "lost in a burst (3)" },
	};
	char a[64], b[64];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		const uint64_t *one = field_const_value(c, rows[i].one);
		const uint64_t *other = field_const_value(c, rows[i].other);

		*ret_field = rows[i].other;
		if (!field_set(c, rows[i].one) || !field_set(c, rows[i].other) ||
		    *one + *other <= ALWAYS_PPB)
			continue;
		return err_set(err, -EINVAL, "%s %s and %s %s are more than 100%%: both go from %s",
			       fields[rows[i].one].name, text_of(a, c, rows[i].one),
			       fields[rows[i].other].name, text_of(b, c, rows[i].other),
			       rows[i].from);
	}
	return 0;
}

/* ----------------------------------------------------------------- reorder */

static int check_reorder(const struct choppy_condition *c, int *ret_field, struct choppy_err *err)
{
	if (field_set(c, CHOPPY_REORDER_BY) && field_set(c, CHOPPY_REORDER_GAP)) {
		*ret_field = CHOPPY_REORDER_GAP;
		return err_set(err, -EINVAL,
			       "gap picks packets that skip the delay, by makes packets be "
			       "overtaken: give one of them");
	}
	*ret_field = CHOPPY_REORDER;
	if (!field_set(c, CHOPPY_REORDER) || field_set(c, CHOPPY_REORDER_BY) ||
	    field_set(c, CHOPPY_DELAY))
		return 0;
	return err_set(err, -EINVAL,
		       "reordered packets skip the delay, and there is nothing to skip: add e.g. "
		       "delay 10ms, or say by how many packets they are overtaken: reorder 1%% by "
		       "3");
}

/* ------------------------------------------------------------------- queue */

#define DISCIPLINE(q) (1u << CHOPPY_QUEUE_##q)

/* Words of the clause `queue` and the disciplines that know them. */
static const struct {
	int field;
	unsigned int disciplines;
	const char *known_to;
} queue_words[] = {
	{ CHOPPY_QUEUE_TARGET, DISCIPLINE(CODEL) | DISCIPLINE(FQ_CODEL) | DISCIPLINE(PIE),
	  "codel, fq_codel and pie" },
	{ CHOPPY_QUEUE_INTERVAL, DISCIPLINE(CODEL) | DISCIPLINE(FQ_CODEL), "codel and fq_codel" },
	{ CHOPPY_QUEUE_TUPDATE, DISCIPLINE(PIE), "pie" },
	{ CHOPPY_QUEUE_FLOWS, DISCIPLINE(FQ_CODEL), "fq_codel" },
	{ CHOPPY_QUEUE_QUANTUM, DISCIPLINE(FQ_CODEL), "fq_codel" },
	{ CHOPPY_QUEUE_MIN, DISCIPLINE(RED), "red" },
	{ CHOPPY_QUEUE_MAX, DISCIPLINE(RED), "red" },
	{ CHOPPY_QUEUE_PROBABILITY, DISCIPLINE(RED), "red" },
};

static int check_queue_words(const struct choppy_condition *c, int *ret_field,
			     struct choppy_err *err)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(queue_words); i++) {
		*ret_field = queue_words[i].field;
		if (field_set(c, queue_words[i].field) &&
		    !(queue_words[i].disciplines & 1u << c->queue))
			return err_set(err, -EINVAL, "%s is a word of %s, not of %s",
				       fields[queue_words[i].field].word, queue_words[i].known_to,
				       fields[CHOPPY_QUEUE].choices[c->queue]);
	}
	return 0;
}

static int check_red(const struct choppy_condition *c, int *ret_field, struct choppy_err *err)
{
	char low[64], high[64];

	*ret_field = CHOPPY_QUEUE;
	if (!field_set(c, CHOPPY_QUEUE_MIN) || !field_set(c, CHOPPY_QUEUE_MAX))
		return err_set(err, -EINVAL,
			       "red drops between two lengths, min and max: for example queue red "
			       "min 30kb max 90kb");
	*ret_field = CHOPPY_QUEUE_MAX;
	if (c->queue_min_bytes >= c->queue_max_bytes)
		return err_set(err, -EINVAL, "red's max %s must be above its min %s",
			       text_of(high, c, CHOPPY_QUEUE_MAX),
			       text_of(low, c, CHOPPY_QUEUE_MIN));
	if (field_set(c, CHOPPY_LIMIT) && c->limit.unit == CHOPPY_BYTES &&
	    c->queue_max_bytes > c->limit.n)
		return err_set(err, -EINVAL, "red's max %s is above limit %s, which ends the queue",
			       text_of(high, c, CHOPPY_QUEUE_MAX), text_of(low, c, CHOPPY_LIMIT));
	return 0;
}

static int check_queue(const struct choppy_condition *c, int *ret_field, struct choppy_err *err)
{
	int r;

	if (!field_set(c, CHOPPY_QUEUE))
		return 0;
	r = check_queue_words(c, ret_field, err);
	return r < 0 || c->queue != CHOPPY_QUEUE_RED ? r : check_red(c, ret_field, err);
}

static int check_ecn(const struct choppy_condition *c, int *ret_field, struct choppy_err *err)
{
	*ret_field = CHOPPY_ECN;
	if (!field_set(c, CHOPPY_ECN) || choppy_condition_loss(c) >= 0 ||
	    (c->queue != CHOPPY_QUEUE_TAIL && c->queue != CHOPPY_QUEUE_HEAD))
		return 0;
	return err_set(err, -EINVAL,
		       "ecn marks where a loss or a queue's management would drop; queue %s has "
		       "none: use e.g. queue codel, or add loss 1%%",
		       fields[CHOPPY_QUEUE].choices[c->queue]);
}

/* --------------------------------------------------------------------- all */

int condition_check(const struct choppy_condition *c, int *ret_field, struct choppy_err *err)
{
	static int (*const all[])(const struct choppy_condition *c, int *ret_field,
				  struct choppy_err *err) = {
		check_rows,    check_alternatives, check_jitter, check_burst, check_states,
		check_reorder, check_queue,	   check_ecn,	 check_slot,
	};
	int field = 0, r = 0;
	size_t i;

	if (c->set & ~ALL_FIELDS)
		return err_set(err, -EINVAL, "a field is set that is not known (bits %#llx)",
			       (unsigned long long)(c->set & ~ALL_FIELDS));
	for (i = 0; r == 0 && i < ARRAY_SIZE(all); i++)
		r = all[i](c, &field, err);
	if (r < 0 && ret_field)
		*ret_field = field;
	return r;
}

int choppy_condition_check(const struct choppy_condition *state, const char *dir_name,
			   struct choppy_err *err)
{
	int r = condition_check(state, NULL, err);

	if (r < 0 && dir_name)
		err_prefix(err, "%s", dir_name);
	return r;
}
