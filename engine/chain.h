/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * chain.h - what the packets under one rule meet, stage by stage: the rule's own stages where
 * it has clauses for them, the direction's elsewhere.
 */
#ifndef CHOPPY_CHAIN_H
#define CHOPPY_CHAIN_H

#include "line.h"
#include "match.h"
#include "queue.h"
#include "stage.h"

#define CHAIN_STAGES 9

/* A rule with what was made of it outside: its compiled expression, the data of its stages. */
struct chain_rule {
	const struct choppy_rule *rule;
	const struct match_insn *insns;
	uint32_t ninsns;
	struct stage_data data;
};

/* Stages that are awake, in the order in which packets meet them. */
struct chain_part {
	size_t n;
	const struct stage *stage[CHAIN_STAGES];
	void *state[CHAIN_STAGES];
};

struct chain {
	uint16_t id; /* 0: the direction's own, for packets that no rule matches */
	struct match *match; /* NULL there */
	struct choppy_condition own; /* of the rule; for id 0 the direction's */
	struct choppy_condition condition; /* in force: the rule's laid over the direction's */
	struct stage_data data;

	void *state[CHAIN_STAGES];
	struct chain_part before, behind; /* the queue */
	bool waits; /* a packet may be held somewhere */

	struct queue *queue; /* its own, or NULL */
	struct queue *joins; /* the one that its packets enter now, or NULL */
	struct gate gate; /* its own */
	struct gate *passes; /* the one that its packets pass */
	bool chance_delay; /* the delay is drawn */
};

/* @rule: NULL for the direction's own. NULL: no memory, or no sound filter (@ret_err). */
struct chain *chain_new(uint16_t id, const struct rng_key *key, const struct chain_rule *rule,
			int *ret_err);
/* Its queue and gate must be empty. */
void chain_free(struct chain *c);

/*
 * A queue of its own, if it will ever need one under @own, which is laid over @base (NULL: it is
 * the direction's; @rated: its trace brings a rate). -ENOMEM.
 */
int chain_reserve(struct chain *c, const struct choppy_condition *own, bool rated,
		  struct pool *pool, const struct rng_key *key, const struct queue_events *events);

/*
 * From @now_ns on, @c->own (laid over @base's condition) and @c->data are in force. Order: the
 * direction's own chain first. What stood in a queue that is no longer there is put into @ret_left.
 */
int chain_set(struct chain *c, const struct chain *base, const struct queue_chances *chances,
	      uint64_t now_ns, struct run_list *ret_left);

/* The least time that every packet is held by it. */
uint64_t chain_hold_ns(const struct chain *c);

/* Fields of the loss stage, to know when its counters begin anew. */
extern const uint64_t chain_loss_fields;

#endif
