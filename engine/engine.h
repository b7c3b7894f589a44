/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * engine.h - the packet engine as a process: what the keeper sends it and what
 * it answers. One request, one reply, over a SOCK_SEQPACKET socket; when the
 * socket closes, the engine ends.
 */
#ifndef CHOPPY_ENGINE_H
#define CHOPPY_ENGINE_H

#include "choppy.h"
#include "match.h"

enum engine_op {
	ENGINE_ADD, /* a new link: its two ports, its plan, perhaps the file of verdicts */
	ENGINE_SET, /* another plan for both directions, swapped at one instant */
	ENGINE_COUNTERS, /* of both directions; and the file of verdicts is written up to now */
	ENGINE_PACKETS, /* of all links together: only counters[CHOPPY_UP].packets is filled */
	ENGINE_NOPS,
};

/* Descriptors that come with a request (SCM_RIGHTS), in this order. */
enum engine_fd {
	ENGINE_FD_PLAN, /* ADD, SET: memory as plan.h has it, sealed against shrinking */
	ENGINE_FD_NODE, /* ADD: the port on the node's side */
	ENGINE_FD_GATEWAY,
	ENGINE_FD_VERDICTS, /* ADD, when the lab writes them: a file open for writing */
	ENGINE_NFDS,
};

struct engine_request {
	uint32_t op;
	uint32_t link; /* index in the lab; given by ENGINE_ADD's sender, from 0 upwards */
	uint32_t nflows; /* ENGINE_ADD: flows to have numbers for; 0: none */
	uint32_t zero;
	uint64_t seed; /* ENGINE_ADD: of the lab */
	uint64_t plan_size; /* ENGINE_ADD, ENGINE_SET: bytes */
};

struct engine_reply {
	int32_t error; /* 0 or a negative errno */
	int32_t log_error; /* ENGINE_COUNTERS: why the file of verdicts ended early, or 0 */
	uint64_t log_lost; /* verdicts that are not in it for that reason */
	uint64_t flows_missed; /* packets without a flow's number, for want of a place */
	char text[128]; /* the reason in words when error is not 0 */
	struct choppy_counters counters[CHOPPY_NDIRS]; /* ENGINE_COUNTERS */
	uint64_t matched[CHOPPY_NDIRS][LINK_RULES_MAX]; /* by the plan's rules of that direction */
};

/*
 * Open one port in the current namespace: an AF_PACKET socket bound to device @ifindex, with
 * virtio headers, kernel arrival stamps, outgoing frames ignored, buffers forced as large
 * as allowed. Needs CAP_NET_RAW (CAP_NET_ADMIN for the buffers); done by the keeper before it
 * hands the fd over. Returns the fd or a negative errno; @ret_rcvbuf: the receive
 * buffer in force, bytes.
 */
int engine_port_open(int ifindex, int *ret_rcvbuf);

/*
 * The engine's system calls, as __NR_ numbers, ended by -1: the seccomp list that
 * the keeper loads before engine_main().
 */
extern const int engine_syscalls[];

/* Run until @control closes. Returns the process's exit status. */
int engine_main(int control);

#endif
