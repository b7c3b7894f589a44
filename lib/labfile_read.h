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

/* What a text is, for the schema and whoever reads it. */
enum text_kind {
	TEXT_ANY,
	TEXT_NUMBER, /* from 0 to 2^64 - 1 */
	TEXT_CONDITION,
	TEXT_WAYS, /* a condition that may also say up and down */
};

/*
 * A key: what its value may be, in all its forms, and who takes it. Reading and the schema
 * (schema.c) both go by these tables. The same struct describes what has no name of its own: an
 * item of a list, and the keys that a file's writer names.
 */
struct key {
	const char *name; /* NULL ends a table; of @each only what to call such a key: "NAME" */
	unsigned int forms; /* enum form */
	void (*take)(struct reader *r, struct fy_node *value, void *obj);
	const char *what; /* the value, for who gives another: "a number" */
	/* The rest is there where it is needed. */
	const char *help; /* what it is for, in one line */
	bool required;
	const void *own; /* what @take gets in place of the mapping's object */
	/* In place of @take, of @each: it gets the key as well. */
	void (*named)(struct reader *r, const char *name, struct fy_node *at, struct fy_node *value,
		      void *obj);
	enum text_kind text; /* of FORM_TEXT */
	const char *const *choices; /* of FORM_TEXT: one of these; NULL ends them */
	const char *having; /* a text, or the key itself of @each, has this in it */
	const struct key *item; /* of FORM_LIST: each item */
	int least, most; /* items; 0: any number */
	const struct key *keys; /* of FORM_MAP: the keys that it may have */
	const struct key *each; /* of FORM_MAP: keys that the file's writer names */
};

/*
 * A row of a table: KEY("rate", FORM_TEXT, take_rate, "a rate", .help = "..."). What a list or a
 * mapping holds is said by .item, .keys and .each.
 */
#define KEY(name_, forms_, take_, what_, ...)                                                      \
	{                                                                                          \
		.name = (name_), .forms = (forms_), .take = (take_), .what = (what_), __VA_ARGS__  \
	}
/* The items of a list. */
#define ITEM(...) KEY(NULL, __VA_ARGS__)
/* The keys that the file's writer names. */
#define NAMED(name_, forms_, named_, what_, ...)                                                   \
	KEY(name_, forms_, NULL, what_, .named = (named_), __VA_ARGS__)

#define problem(r, node, ...)                                                                      \
	do {                                                                                       \
		const struct place at_ = yaml_place((r)->y, (node));                               \
		yaml_problem((r)->y, &at_, __VA_ARGS__);                                           \
	} while (0)

/* The first line of what another module found wrong. */
void problem_err(struct reader *r, struct fy_node *node, const struct choppy_err *err);
void out_of_memory(struct reader *r);

unsigned int form_of(struct fy_node *value);

/* Whether @value is as @k says. False: told, at the key or, of a list, at the item: @at. */
bool fits(struct reader *r, struct fy_node *at, struct fy_node *value, const struct key *k);

/*
 * Read @map by @keys into @obj: in the order of the keys, whatever that of the file; but first
 * those that are not in the table by @each, which may be NULL. @keys may be NULL too.
 */
void read_map(struct reader *r, struct fy_node *map, const struct key *keys, void *obj,
	      const struct key *each);
/* Read each item of @list into @obj; what is no list is read as one item. */
void read_list(struct reader *r, struct fy_node *list, const struct key *item, void *obj);

/* A copy to be freed; NULL: told. */
char *copy_text(struct reader *r, struct fy_node *value);
/* False: told. */
bool read_number(struct reader *r, struct fy_node *value, uint64_t *ret);
/* Which of @choices, or -1: told. @what: what they are. */
int read_choice(struct reader *r, struct fy_node *value, const char *const *choices,
		const char *what);
/* Room for @n of @size in @array, which had *@had: new ones are all 0. False: told. */
bool fit(struct reader *r, void *array, uint32_t *had, uint32_t n, size_t size);

/* ---- labfile.c: the file as a whole */

extern const struct key lab_keys[];
/* A name in @file is meant from where that is. To be freed; NULL: no memory. */
char *file_beside(const char *file, const char *name);

/* ---- labfile_nodes.c */

void take_nodes(struct reader *r, struct fy_node *value, void *obj);
extern const struct key node_new; /* of `nodes`, as a list */
extern const struct key node_each; /* of `nodes`: {NAME: ...} */
extern const struct key node_item; /* of lists of nodes that are new, or there */
/*
 * Add the nodes that @pattern names to @list. @kind: enum node_kind of those that are not there
 * yet; -1: they must be there.
 */
void read_pattern(struct reader *r, struct fy_node *at, const char *pattern, int kind,
		  struct node_list *list);
/* The same for a list of names and patterns, or one alone. */
void read_nodes_of(struct reader *r, struct fy_node *value, int kind, struct node_list *list);
bool fit_nodes(struct reader *r);
void program_free(struct node_program *p);

/* ---- labfile_links.c */

void take_links(struct reader *r, struct fy_node *value, void *obj);
extern const struct key link_item; /* of `links`, as a list */
extern const struct key link_each; /* of `links`: {A -- B: ...} */
/* Words of a condition, the lab's to free. @dirs: it may say up and down. NULL: told. */
const struct link_condition *read_condition(struct reader *r, struct fy_node *value, bool dirs);
/* @c, or the block that begins with it, becomes the lab's, or is freed. False: told. */
bool own_condition(struct reader *r, struct link_condition *c);
bool fit_links(struct reader *r);

/* ---- labfile_latency.c */

extern const struct key latency_keys[]; /* of a matrix */
extern const struct key latency_each; /* of `latency`: {NAME: ...} */
void take_latency(struct reader *r, struct fy_node *value, void *obj);

/* ---- labfile_timeline.c */

void take_timeline(struct reader *r, struct fy_node *value, void *obj);
void take_expect(struct reader *r, struct fy_node *value, void *obj);
extern const struct key event_item, expect_item; /* of their lists */

/* ---- labfile_shapes.c */

/* Of the keys lan, star, ring, mesh, dumbbell and fat-tree: @obj is that name. */
void take_shape(struct reader *r, struct fy_node *value, void *obj);
/* What a shape is given by its name: a list, two, or a number. */
extern const struct key list_shape, two_lists_shape, counted_shape;
extern const struct key side_item; /* one of two lists */

#endif
