/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fault.h - what is wrong with a lab at the moment, beside the conditions of its links:
 * cuts, links that are off, conditions that hold for a while, programs that stand still.
 */
#ifndef CHOPPY_FAULT_H
#define CHOPPY_FAULT_H

#include "action.h"
#include "compile.h"
#include "labfile.h"
#include "match.h"

/* One of them, as one action brought it about. */
struct fault {
	struct fault *next;
	uint64_t id;
	enum verb verb; /* set, ramp, cut, partition, link, pause or kill */
	bool lasting; /* until it is taken back; else a timeline ends it */
	struct cut *cuts;
	uint32_t ncuts;
	struct way *ways; /* of set and link */
	uint32_t nways;
	bool uplink; /* of link */
	struct choppy_change *change; /* of set and ramp */
	struct node_list nodes; /* of pause and kill */
};

/* In the order in which they came. Zeroed: none. */
struct faults {
	struct fault *first, **end;
	uint64_t next_id;
};

/* Takes what @f owns. The fault's number, or 0: no memory, and @f is still the caller's. */
uint64_t faults_add(struct faults *all, const struct fault *f);
struct fault *faults_find(const struct faults *all, uint64_t id);
/* Take it out; the caller's then: fault_free(). NULL: there is none. */
struct fault *faults_take(struct faults *all, uint64_t id);
void fault_free(struct fault *f); /* NULL is fine */
void faults_free(struct faults *all);

bool faults_link_off(const struct faults *all, uint32_t link);
bool faults_uplink_off(const struct faults *all);
/* How many of @verb have @node. */
uint32_t faults_node(const struct faults *all, enum verb verb, uint32_t node);

/* Lay what holds for a while over the conditions of @link, in order. -E2BIG: too many rules. */
int faults_lay(const struct faults *all, uint32_t link, struct link_condition *c,
	       struct choppy_err *err);
/* @change as it is for direction 0 and 1 of the link of @way. */
void way_change(const struct way *way, const struct choppy_change *change,
		struct choppy_change *ret);

/*
 * What no packet of @link may pass, by the addresses of @t's ports: programs to be freed, also of
 * the first @ret_n where it fails. -E2BIG: more nodes are cut off than a program has room for. Cuts
 * stand at the links of the node that no longer hears; beside what is for its addresses, what is
 * for all on a network does not reach it from there either.
 */
int faults_cuts(const struct faults *all, const struct topology *t, uint32_t link,
		struct compile_cut ret[LINK_CUTS_MAX], uint32_t *ret_n, struct choppy_err *err);

/* Call @each for every link to which @f makes a difference, some more than once. */
int fault_links(const struct fault *f, const struct topology *t,
		int (*each)(uint32_t link, void *ctx), void *ctx);

/* In words: "cut a b from c". As snprintf(3). */
int fault_print(char *buf, size_t size, const struct fault *f, const struct topology *t);

#endif
