/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * labfile.h - a lab as a file tells it: nodes, links, what runs on them, and the way
 * out. YAML or JSON.
 */
#ifndef CHOPPY_LABFILE_H
#define CHOPPY_LABFILE_H

#include "timeline.h"
#include "topology.h"
#include "yaml.h"

/* Of a link: [0] from its first end to its second, [1] back. */
struct link_condition {
	struct choppy_condition dir[CHOPPY_NDIRS];
	struct choppy_rules rules;
};

/* What runs on a node; NULLs: nothing. */
struct node_program {
	char **argv; /* ended by NULL */
	char **env; /* "KEY=VALUE", ended by NULL */
	char *user;
	char *dir; /* of the file that says so; NULL: of the lab's */
	struct probe *ready; /* when it is, or NULL */
};

struct labfile {
	char name[CHOPPY_NAME_MAX + 1]; /* "" when the file gives none */
	bool seed_given;
	uint64_t seed;
	char *dir; /* where the file is; NULL: it is a text */
	struct topology t;
	struct node_program *programs; /* by node */
	const struct link_condition **conditions; /* by link; NULL: nothing asked for */
	uint32_t uplink; /* the node with the way out, or UINT32_MAX */
	enum choppy_uplink uplink_kind;
	const struct link_condition *uplink_condition; /* up and down, as the node sees it */
	struct timeline timeline;
	/* Owned: conditions, one or a block of them, and the files, whose names places point to. */
	struct link_condition **owned;
	struct yaml **files;
	uint32_t nowned, nfiles, nprograms, nconditions; /* room in these arrays */
};

/*
 * Read @path and what it includes. All that is wrong is told to @problems, each with its place;
 * then -EINVAL, and @err says how much. Changes nothing on the machine.
 */
int labfile_read(struct labfile **ret, const char *path, struct problems *problems,
		 struct choppy_err *err);
/* The same of @text, for tests; it includes nothing. */
int labfile_parse(struct labfile **ret, const char *text, size_t size, struct problems *problems,
		  struct choppy_err *err);
void labfile_free(struct labfile *f);

#endif
