/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * net.h - the nodes and links of a lab out of a file: steps of the lab's making, by
 * steps.c.
 */
#ifndef CHOPPY_NET_H
#define CHOPPY_NET_H

#include "blueprint.h"
#include "fault.h"

#include <stdio.h>

struct lab;

/* What stands of it. Zeroed: nothing. */
struct net {
	struct choppy_file *plan; /* NULL: the lab is one node and a gateway */
	int *ns; /* by node, NULL before; that of the first is struct lab's node_ns */
	int *deferred; /* the engine's ports, by the dozen */
	uint32_t ndeferred;
	/* The node that struct lab calls its own: with the uplink, if there is one. */
	uint32_t first;
	struct nft_table *nat; /* of that node: the others leave with its address */
	int deferred_nat;
	struct net_program *programs; /* those that run or have run; a node's own command first */
	uint32_t nprograms, room_programs;
	/* What has been done to it since: by act.c. */
	struct link_condition **changed; /* by link; NULL: as the file says */
	struct faults faults;
	struct rng chance; /* for what is drawn by hand */
	struct play *play; /* of the timeline; NULL before the lab stands */
};

/* What runs on a node: a process of the keeper's that waits for it. */
struct net_program {
	pid_t pid; /* 0: it has ended */
	uint32_t node;
	bool own; /* the node's command, and not one that was started beside it */
	int wstatus; /* of wait(2), when it has ended */
};

/* That the kernel will allow so many descriptors and namespaces; raises what may be raised. */
int net_check_limits(struct choppy_file *plan, struct choppy_err *err);
/* In a child: as they were, for programs. */
void net_limits_restore(const struct net *net);

/* Network namespaces, each with its loopback device, and switches with their bridge. */
int net_nodes_make(struct lab *lab, struct choppy_err *err);
void net_nodes_undo(struct lab *lab);
/* Two veth pairs for each link, and the engine between them. */
int net_links_make(struct lab *lab, struct choppy_err *err);
void net_links_undo(struct lab *lab);
/* Devices set up, addresses, neighbours and routes. */
int net_routes_make(struct lab *lab, struct choppy_err *err);
void net_routes_undo(struct lab *lab);

/* Whether the users that they name can be had here. */
int net_programs_check(const struct lab *lab, struct choppy_err *err);
/* The commands of the file, each into a log of its own. */
int net_programs_make(struct lab *lab, struct choppy_err *err);
void net_programs_undo(struct lab *lab);
/* Start the command of @node again. -EBUSY: it runs. -ENOENT: it has none. */
int net_program_start(struct lab *lab, uint32_t node, struct choppy_err *err);
/* Start @command, the shell's, beside it. */
int net_program_run(struct lab *lab, uint32_t node, const char *command, struct choppy_err *err);
/* Kill all that runs on @node, and wait for what the keeper has started there. */
int net_program_kill(struct lab *lab, uint32_t node, struct choppy_err *err);
/* The last that was known of @node's command; NULL: it has none. */
const struct net_program *net_program_of(const struct lab *lab, uint32_t node);
/* In a child: go into the node, and there to where its file is. */
int net_program_enter(const struct lab *lab, uint32_t node, struct choppy_err *err);
/* Who programs of @node are. */
int net_program_user(const struct lab *lab, uint32_t node, struct user *ret,
		     struct choppy_err *err);
/* Send @sig to every process on @node, which are those of all programs and of `choppy exec`. */
int net_node_signal(const struct lab *lab, uint32_t node, int sig, struct choppy_err *err);
/* Whether @pid was one of them, which has ended. */
bool net_program_ended(struct lab *lab, pid_t pid, int wstatus);

/* The namespace of the node @name; "": of the first. -ENOENT: there is none. */
int net_find(const struct lab *lab, const char *name, struct choppy_err *err);

/* act.c: what can be done to it while it lives. */
/* What is asked of @link at the moment, what holds for a while included. */
int net_link_condition(const struct lab *lab, uint32_t link, struct link_condition *ret,
		       struct choppy_err *err);
/* Do what @n words say; what was done is written to @done, a line each. All or nothing. */
int act(struct lab *lab, int n, const char *const *words, FILE *done, struct choppy_err *err);
/*
 * Do @a, by the chances of @rng. @lasting: until it is taken back; else act_end() ends it, by
 * @ret_fault (0: there is nothing to end).
 */
int act_do(struct lab *lab, const struct action *a, struct rng *rng, bool lasting,
	   uint64_t *ret_fault, FILE *done, struct choppy_err *err);
int act_end(struct lab *lab, uint64_t fault, struct choppy_err *err);
/* The ramp @a after @elapsed_ns of @over_ns: of fault @fault, or 0 for one that stays. */
int act_ramp(struct lab *lab, const struct action *a, uint64_t fault, uint64_t elapsed_ns,
	     uint64_t over_ns, struct choppy_err *err);
void act_free(struct lab *lab);

/* The engine's number of a link; 0 is that of the uplink. */
static inline uint32_t net_engine_link(uint32_t link)
{
	return link + 1;
}

#endif
