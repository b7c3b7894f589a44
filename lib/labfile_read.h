/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * labfile_read.h - what the files of labfile*.c share: the reader, mappings by a
 * table of keys, and the parts of a lab's file.
 */
#ifndef CHOPPY_LABFILE_READ_H
#define CHOPPY_LABFILE_READ_H

#include "labfile.h"
#include "shape.h"

struct reader {
	struct labfile *f;
	struct yaml *y;
	const char *path; /* NULL: a text, which includes nothing */
	struct problems *problems;
	const struct reader *from; /* the file that includes this one */
	struct choppy_err *err;
	bool failed; /* out of memory: nothing that a file's writer can mend */
};

/* ---- labfile_read.c: mappings and values */

/* What a value may be. */
enum form {
	FORM_TEXT = 1,
	FORM_LIST = 2,
	FORM_MAP = 4,
	FORM_NULL = 8, /* nothing */
};

struct key {
	const char *name; /* NULL ends a table */
	unsigned int forms; /* enum form */
	void (*take)(struct reader *r, struct fy_node *value, void *obj);
	const char *what; /* the value, for who gives another: "a number" */
	const void *own; /* what @take gets in place of the mapping's object, or NULL */
};

#define KEY(name_, forms_, take_, what_)                                                           \
	{                                                                                          \
		.name = (name_), .forms = (forms_), .take = (take_), .what = (what_)               \
	}

#define problem(r, node, ...)                                                                      \
	do {                                                                                       \
		const struct place at_ = yaml_place((r)->y, (node));                               \
		yaml_problem((r)->y, &at_, __VA_ARGS__);                                           \
	} while (0)

/* The first line of what another module found wrong. */
void problem_err(struct reader *r, struct fy_node *node, const struct choppy_err *err);
void out_of_memory(struct reader *r);

unsigned int form_of(struct fy_node *value);

/*
 * Read @map by @keys into @obj: in the order of the keys, whatever that of the file. @otherwise,
 * when not NULL, is asked about keys that are not in the table: true, it is one.
 */
void read_map(struct reader *r, struct fy_node *map, const struct key *keys, void *obj,
	      bool (*otherwise)(struct reader *r, const char *key, struct fy_node *at,
				struct fy_node *value, void *obj));

/* A copy to be freed; NULL: told. */
char *copy_text(struct reader *r, struct fy_node *value);
/* False: told. */
bool read_number(struct reader *r, struct fy_node *value, uint64_t *ret);
/* Room for @n of @size in @array, which had *@had: new ones are all 0. False: told. */
bool fit(struct reader *r, void *array, uint32_t *had, uint32_t n, size_t size);

/* ---- labfile.c */

/* A name in @file is meant from where that is. To be freed; NULL: no memory. */
char *file_beside(const char *file, const char *name);

/* ---- labfile_nodes.c */

void take_nodes(struct reader *r, struct fy_node *value, void *obj);
/*
 * Add the nodes that @pattern names to @list. @kind: enum node_kind of those that are not there
 * yet; -1: they must be there.
 */
void read_pattern(struct reader *r, struct fy_node *at, const char *pattern, int kind,
		  struct node_list *list);
/* The same for a list of names and patterns, or one alone. */
void read_nodes_of(struct reader *r, struct fy_node *value, int kind, struct node_list *list);
bool fit_nodes(struct reader *r);

/* ---- labfile_links.c */

void take_links(struct reader *r, struct fy_node *value, void *obj);
/* Words of a condition, the lab's to free. @dirs: it may say up and down. NULL: told. */
const struct link_condition *read_condition(struct reader *r, struct fy_node *value, bool dirs);
/* @c, or the block that begins with it, becomes the lab's, or is freed. False: told. */
bool own_condition(struct reader *r, struct link_condition *c);
bool fit_links(struct reader *r);

/* ---- labfile_latency.c */

void take_latency(struct reader *r, struct fy_node *value, void *obj);

/* ---- labfile_timeline.c */

void take_timeline(struct reader *r, struct fy_node *value, void *obj);
void take_expect(struct reader *r, struct fy_node *value, void *obj);
/* Of a node's program, which @obj is. */
void take_ready(struct reader *r, struct fy_node *value, void *obj);

/* ---- labfile_shapes.c */

/* Of the keys lan, star, ring, mesh, dumbbell and fat-tree: @obj is that name. */
void take_shape(struct reader *r, struct fy_node *value, void *obj);

#endif
