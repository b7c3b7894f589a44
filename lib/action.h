/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * action.h - what can be done to a lab while it lives, in words: `cut a b`, `set web loss
 * 5%`. The same words stand on a command line, in a timeline and in a request to the keeper.
 */
#ifndef CHOPPY_ACTION_H
#define CHOPPY_ACTION_H

#include "rng.h"
#include "shape.h"

enum verb {
#define ROW(id, name, usage, help) VERB_##id,
	CHOPPY_VERBS(ROW)
#undef ROW
		VERB_NVERBS,
};

/* How a partition finds its groups. */
enum split {
	SPLIT_GIVEN,
	SPLIT_HALVES, /* by chance */
	SPLIT_ISOLATE, /* one node from all others, by chance where none is named */
	SPLIT_BRIDGE, /* two halves that only one node in the middle hears */
	SPLIT_RING, /* each hears a majority, no two the same: neighbours on a ring */
	SPLIT_NSPLITS,
};

/* A link, and which of its directions are meant. */
struct way {
	uint32_t link;
	uint8_t dirs; /* CHOPPY_DIR_BIT()s: 0 is from the link's first end to its second */
	bool turned; /* `up` is the link's direction 1 */
};

/* What no packet passes: from those nodes to these. */
struct cut {
	struct node_list from, to;
	int reject; /* enum choppy_reject, or -1: nobody is told */
};

/* A value that changes steadily. */
struct ramp {
	int field; /* enum choppy_field */
	uint64_t from, to; /* in the field's unit */
	uint64_t over_ns; /* 0: not said */
};

struct action {
	enum verb verb;
	bool any; /* of groups[0] one is meant, by chance */
	bool one_way; /* of a cut: only from groups[0] to groups[1] */
	bool on; /* of a link */
	int reject; /* as struct cut's */
	enum split split;
	struct node_list *groups;
	uint32_t ngroups;
	struct way *ways; /* of set and link */
	uint32_t nways;
	bool uplink; /* of link: the lab's uplink is meant */
	struct choppy_change *change; /* of set, and of a ramp at its begin */
	struct ramp ramp;
	char *text; /* a mark's name, a command */
};

/* One row a verb. */
struct verb_row {
	const char *name;
	const char *usage; /* what follows the name */
	const char *help; /* one line */
};
extern const struct verb_row verbs[VERB_NVERBS];
bool verb_ends(enum verb v);

/*
 * Read @n words about the lab @t. -EINVAL: they are no action. -ENOENT: there is no such node or
 * link. Owned by the caller: action_free().
 */
int action_parse(struct action *ret, const struct topology *t, int n, const char *const *words,
		 struct choppy_err *err);
void action_free(struct action *a);

/* What a partition or a cut cuts. @rng decides where chance does. The caller's: cuts_free(). */
int action_cuts(const struct action *a, struct rng *rng, struct cut **ret, uint32_t *ret_n);
/* What a ramp has come to after @elapsed_ns of @over_ns. */
void action_ramp(const struct action *a, uint64_t elapsed_ns, uint64_t over_ns,
		 struct choppy_change *ret);
void cuts_free(struct cut *cuts, uint32_t n);

/* Every node of groups[0], or the one of them that @rng draws where any is meant: to be freed. */
int action_nodes(const struct action *a, struct rng *rng, struct node_list *ret);

#endif
