/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * engine.h - the packet engine as a process: what the keeper sends it and what
 * it answers. One request, one reply, over a SOCK_SEQPACKET socket; when the
 * socket closes, the engine ends.
 */
#ifndef CHOPPY_ENGINE_H
#define CHOPPY_ENGINE_H

#include "choppy.h"

enum engine_op {
	ENGINE_ADD, /* a new link; two port fds by SCM_RIGHTS: [0] the node's side, [1] the
		       gateway's */
	ENGINE_SET, /* a direction's whole condition */
	ENGINE_COUNTERS, /* of both directions */
	ENGINE_NOPS,
};

struct engine_request {
	uint32_t op;
	uint32_t link; /* index in the lab; given by ENGINE_ADD's sender, from 0 upwards */
	uint32_t dirs; /* ENGINE_SET: CHOPPY_DIR_BIT()s, both swapped at one instant */
	uint32_t mtu; /* ENGINE_ADD: of the ports, bytes above the Ethernet header */
	uint64_t seed; /* ENGINE_ADD: of the lab */
	struct choppy_condition dir[CHOPPY_NDIRS]; /* ENGINE_ADD, ENGINE_SET */
};

struct engine_reply {
	int32_t error; /* 0 or a negative errno */
	uint32_t zero;
	char text[128]; /* the reason in words when error is not 0 */
	struct choppy_counters counters[CHOPPY_NDIRS]; /* ENGINE_COUNTERS */
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
