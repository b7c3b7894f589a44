/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * internal.h - a lab as its keeper holds it: everything that its steps make and
 * that the keeper's loop and the control socket use.
 */
#ifndef CHOPPY_INTERNAL_H
#define CHOPPY_INTERNAL_H

#include "addr.h"
#include "backend.h"
#include "enter.h"
#include "fdpass.h"
#include "init.h"
#include "net.h"
#include "nft.h"
#include "remote.h"
#include "rng.h"
#include "server.h"
#include "state.h"
#include "varlink.h"

#define LINK_MTU 1500
#define FLOWS_MAX                                                                                  \
	65536 /* that a direction numbers, where verdicts are written or replayed by flow */
#define HOST_DEV_PREFIX "ch-" /* of the gateway's device */
#define NODE_IFINDEX 2 /* of the node's device: the second in its namespace */
#define UPLINK_DEVS_MAX 8

/* Which interface leads out of the host. */
struct uplink_dev {
	int ifindex;
	char name[16];
};

/* Frames that devices could not hand on (a full backlog): not emulated. */
struct device_drops {
	uint64_t receive, send; /* to the engine, and from it */
};

struct lab {
	const struct choppy_spec *spec;
	bool permanent; /* made by `add` */
	char *const *argv; /* NULL for `add` */
	struct user user;
	struct signal_state signals;

	struct state state;
	struct home home;
	pid_t undertaker;
	int undertaker_fd;

	/* The gateway's is the host's, or one of the lab's own: see has_own_gateway() in steps.c.
	 */
	int gateway_ns, node_ns, engine_ns;
	int host_ns; /* where the lab was started, when the gateway's is another; else -1 */
	struct nl *gateway, *node, *engine;
	struct addr_pair v4, v6; /* family 0: none */
	struct inet host4, host6; /* stand for the host's loopback; family 0: it is closed */
	bool v6_inside; /* nodes have IPv6 addresses */
	bool v6_out; /* IPv6 leads outside */
	uint8_t mac[2][MAC_LEN]; /* [0] the gateway's, [1] the node's */
	char host_dev[16]; /* the gateway's device */
	int host_ifindex;

	int deferred; /* the engine's ports, closed by the kernel in its own time */
	struct init init;
	struct net net; /* of a lab out of a file */
	struct remote remote;
	struct uplink_dev out4[UPLINK_DEVS_MAX], out6[UPLINK_DEVS_MAX];
	int nout4, nout6;
	struct nft_table *nft;
	int deferred_nft; /* its socket, likewise */
	struct serve_config serve;
	uint16_t dns_port; /* host byte order; 0: 53 */
	struct server service;
	struct server dns, relay; /* of the uplink relay, in the host's namespace */
	int deferred_tap; /* the relay's packet socket, as the engine's ports */
	int control; /* listening socket */
	int leash; /* ends with the process that holds the lab, or -1 */
	struct device_drops drops_before[CHOPPY_NDIRS]; /* while the ends were set up */
	bool small_buffers; /* the engine's, and that was told */
	bool silent; /* it has ended, and no packet ever passed */
	int interrupted; /* the signal that came before the program was started, or 0 */

	struct choppy_condition dir[CHOPPY_NDIRS];
	struct choppy_rules rules;
	int plan; /* of these, to begin with; for the engine */
	uint64_t plan_size;
	int verdicts; /* the file of verdicts, or -1 */
	int log_error; /* negative errno that ended it early, or 0 */
	char congestion[16]; /* in the node */
	struct netem_end netem[CHOPPY_NDIRS];
	struct rng netem_seeds[CHOPPY_NDIRS]; /* a new one with each change */
	char backend_note[BACKEND_NOTE_MAX]; /* where the backend differs from the model, or "" */
	char notes[CHOPPY_NOTES_MAX][CHOPPY_NOTE_MAX];
	int nnotes;
	int nmade; /* steps made so far */
	int test_stop, test_point; /* see steps.c */
};

/* A one-line remark: kept with the lab; with @tell also told to the maker at once. */
void lab_note(struct lab *lab, bool tell, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The lab's state now, counters included. */
int lab_describe(struct lab *lab, struct choppy_lab *ret, struct choppy_err *err);
/* Over that, condition and counters of a link of its file. */
int lab_describe_link(struct lab *lab, uint32_t link, struct choppy_lab *ret,
		      struct choppy_err *err);
/* Of the engine's devices, since they were made. */
void lab_device_drops(const struct lab *lab, enum choppy_dir d, struct device_drops *ret);
/* Where a direction's netem stands. */
struct link_end lab_end(const struct lab *lab, enum choppy_dir d);
/* Put @dir's conditions on both ends, all or nothing. */
int lab_apply_netem(struct lab *lab, const struct choppy_condition dir[CHOPPY_NDIRS],
		    struct choppy_err *err);
/* Make @u, whom somebody asked for, one that a lab without root can have. */
int lab_own_user(struct user *u, bool map_root, struct choppy_err *err);
/* Whether the engine can have them. */
int lab_check_conditions(const struct choppy_condition dir[CHOPPY_NDIRS],
			 const struct choppy_rules *rules, struct choppy_err *err);
/* Compile the uplink's condition anew: it is off, or is not any more. */
int lab_renew_uplink(struct lab *lab, struct choppy_err *err);
/* Apply a change, all or nothing. */
int lab_change(struct lab *lab, const struct choppy_change *change, struct choppy_err *err);

/* steps.c: sysctls of the current network namespace, a node's, through @proc (ns.h). -EROFS where
 * nothing can be set. */
int node_sysctls(int proc);
/* A packet socket on device @ifindex of the current namespace, the engine's. */
int lab_open_port(struct lab *lab, int ifindex, struct choppy_err *err);
/* Whether the lab has a link with a gateway: all have, but for those out of files without uplink.
 */
bool has_link(const struct lab *lab);
/* whether the far end of the link is in a network namespace of the lab's own. */
bool has_own_gateway(const struct lab *lab);
/* make all, or undo what was made and return the failure. */
int steps_make(struct lab *lab, struct choppy_err *err);
void steps_undo(struct lab *lab);
/* Print the steps that would be taken. */
void steps_plan(const struct lab *lab, void (*line)(void *ctx, const char *what), void *ctx);

/* uplink.c: the way out. Each is a step's `make`, and `undo`. */
int uplink_find(struct lab *lab, struct choppy_err *err); /* which devices; changes nothing */
int uplink_forward(struct lab *lab, struct choppy_err *err);
void uplink_unforward(struct lab *lab);
int uplink_nat(struct lab *lab, struct choppy_err *err);
void uplink_unnat(struct lab *lab);
int uplink_publish(struct lab *lab, struct choppy_err *err);
int uplink_listen(struct lab *lab, struct choppy_err *err);
int uplink_serve(struct lab *lab, struct choppy_err *err);
void uplink_unserve(struct lab *lab);
/* For uplink_relay.c: DNS on the gateway's address, into @c; and what a config holds, closed. */
int uplink_listen_dns(struct lab *lab, struct serve_config *c, struct choppy_err *err);
void serve_config_close(struct serve_config *c);

/* uplink_relay.c: the way out without root. */
int relay_start(struct lab *lab, struct choppy_err *err); /* its processes, in the host */
void relay_kill(struct lab *lab); /* they end meanwhile */
void relay_stop(struct lab *lab);
int relay_make(struct lab *lab, struct choppy_err *err); /* its place in the gateway's namespace */
void relay_undo(struct lab *lab);
/* The relay process has something to tell. */
void relay_tell(struct lab *lab);

/* keeper.c: keep the lab until its program ends (returns the exit status), or, without one,
 * until it is deleted. */
int keeper_loop(struct lab *lab, struct choppy_err *err);

/* control.c: the keeper's socket. */
#define LAB_INTERFACE "org.choppy.Lab"
int control_listen(struct lab *lab, struct choppy_err *err);
/*
 * Read what a client asks, and answer. 1: the lab shall end, and the closing of the connection
 * tells the client that it is gone. Negative: the connection is to be closed.
 */
int control_serve(struct lab *lab, struct varlink *v, short events);
/* What to wait for with poll(2); @events of control_serve() are what came of it. */
short control_events(const struct varlink *v);
/* The client's side: one call. */
struct control_ask {
	const char *method; /* with its interface */
	void (*put)(struct json *j, void *ctx); /* the parameters, or NULL */
	int (*get)(struct fy_node *parameters, void *ctx, struct choppy_err *err); /* or NULL */
	void *ctx;
	bool until_closed; /* it is over when the keeper closes the connection */
};
/* @ret_fds: NODE_FDS descriptors that come with the answer, or NULL. */
int control_call(const struct home *home, const char *name, const struct control_ask *ask,
		 int *ret_fds, struct choppy_err *err);

#endif
