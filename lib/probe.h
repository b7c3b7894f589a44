/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * probe.h - a question about a lab that has the answer yes or no: whether a port answers, a
 * command ends well, a file is there.
 */
#ifndef CHOPPY_PROBE_H
#define CHOPPY_PROBE_H

#include "topology.h"

enum probe_kind {
	PROBE_EXITED, /* the node's command has ended with @status */
	PROBE_RUNS, /* it runs */
	PROBE_SAYS, /* it has written @text */
	PROBE_TCP, /* @text answers on port @port */
	PROBE_PING, /* @text answers an echo request */
	PROBE_COMMAND, /* @text ends with @status, and writes @prints where that is given */
	PROBE_LISTENS_TCP, /* somebody on the node listens on @port */
	PROBE_LISTENS_UDP,
	PROBE_FILE, /* file @text is there */
	PROBE_NKINDS,
};

struct probe {
	enum probe_kind kind;
	bool negated; /* of tcp and ping: it does not answer */
	uint32_t node; /* where it is asked */
	uint16_t port;
	int status;
	char *text, *prints; /* owned */
};

void probe_free(struct probe *p);

/*
 * What is expected: "node web exits 0", "tcp db:5432 answers from web", ... @ret_within: the text
 * of a time that stands behind as "within TIME", or NULL; to be freed. -EINVAL, -ENOENT.
 */
int probe_parse(struct probe *ret, const struct topology *t, const char *text, char **ret_within,
		struct choppy_err *err);

/* When node @node is ready: "5432", "tcp 5432", "udp 53", "file PATH", "command COMMAND". */
int probe_parse_ready(struct probe *ret, uint32_t node, const char *text, struct choppy_err *err);

/* Whether a process has to ask it on the node; the others the keeper knows. */
bool probe_needs_process(const struct probe *p);

/* Ask it, in a child on the node: 0 for yes; else 1, and why is written to @out. */
int probe_ask(const struct probe *p, int out);

/* In words, as what is waited for: "tcp port 5432". */
void probe_print_ready(const struct probe *p, char *buf, size_t size);

#endif
