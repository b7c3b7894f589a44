/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * graph.h - a lab file as something to draw: its nodes and links with their texts,
 * and what is beyond the uplink as a node of its own.
 */
#ifndef CHOPPY_CLI_GRAPH_H
#define CHOPPY_CLI_GRAPH_H

#include "cmd.h"

#define NO_NODE UINT32_MAX

struct drawn_link {
	struct choppy_file_link link;
	/* What it asks for: from its first end, and from its second; "" for nothing. One line. */
	char *words[2];
	bool same; /* both ways */
};

struct drawing {
	const char *name; /* of the lab */
	uint32_t nnodes, nlinks;
	char uplink[32]; /* the name of what is beyond it: "uplink nat" */
	uint32_t outside; /* what is beyond the uplink, the last node, whose link is the last */
	bool ipv6; /* show IPv6 addresses, and not IPv4 */
	struct choppy_file_node *nodes;
	struct drawn_link *links;
	/* The ends at node i: at[first[i]] to at[first[i + 1]]; end e of link l is 2 * l + e. */
	uint32_t *first, *at;
};

/* False: out of memory. */
bool drawing_make(struct drawing *d, const struct choppy_file *f, bool ipv6);
void drawing_free(struct drawing *d);

/* The node at end @e of link @l, and its name. */
uint32_t drawing_node(const struct drawing *d, uint32_t l, int e);
const char *drawing_name(const struct drawing *d, uint32_t l, int e);
/* The address of an end, of the family that is shown where it has one; or "". */
const char *drawing_address(const struct drawing *d, uint32_t l, int e);

/* What link @l asks for on the way from end @e, with the names: "a>b: loss 1%"; to be freed. */
char *drawing_way(const struct drawing *d, uint32_t l, int e);
/* The same in one line for both: "delay 5ms", "a>b: loss 1%, b>a: delay 5ms", or "". */
char *drawing_words(const struct drawing *d, uint32_t l);

/* Where the nodes are, in the order of the nodes; NULL: out of memory. */
struct choppy_spot *drawing_layout(const struct drawing *d, const struct choppy_size *sizes,
				   const struct choppy_graph *how, int ret_size[2]);

/* The formats. False: out of memory. */
bool graph_text(const struct drawing *d, FILE *f);
bool graph_svg(const struct drawing *d, FILE *f);
bool graph_dot(const struct drawing *d, FILE *f);

/*
 * A picture of a small lab in letters, of which no line has more than @columns. Returns 1 when it
 * was drawn, 0 when there is no room for it, or -ENOMEM.
 */
int graph_picture(const struct drawing *d, const struct choppy_spot *spots, FILE *f, int columns);
/* The node as it is written in letters: host, [router], (switch), ~uplink~; * where a command runs.
 */
void graph_node_text(char *buf, size_t size, const struct drawing *d, uint32_t node);

#endif
