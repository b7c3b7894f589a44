/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * yaml.h - a YAML (or JSON) file as a tree, and what is wrong with it, said with
 * file:line:column and the line itself.
 */
#ifndef CHOPPY_YAML_H
#define CHOPPY_YAML_H

#include "choppy.h"
#include "problems.h"

#include <libfyaml.h>

struct yaml;

/*
 * Read @path whole. -EINVAL: it is not YAML, and @problems has been told. Other errors: @err. A
 * file of more than YAML_SIZE_MAX bytes is refused. An empty one has no root.
 */
#define YAML_SIZE_MAX (16 << 20)
int yaml_open(struct yaml **ret, const char *path, struct problems *problems,
	      struct choppy_err *err);
/* The same of @text, which is called @name. */
int yaml_parse(struct yaml **ret, const char *name, const char *text, size_t size,
	       struct problems *problems, struct choppy_err *err);
void yaml_close(struct yaml *y);

struct fy_node *yaml_root(const struct yaml *y); /* NULL: nothing in it */
/* What an alias stands for; else the node itself. */
struct fy_node *yaml_value(struct fy_node *node);
/* The text of a scalar, "" for null and what is empty; NULL for a list or a mapping. */
const char *yaml_text(struct fy_node *node);

/* For libfyaml, which else prints what it finds wrong: fy_diag_destroy(). NULL: no memory. */
struct fy_diag *yaml_silence(void);

struct place yaml_place(const struct yaml *y, struct fy_node *node);
void yaml_problem(const struct yaml *y, const struct place *at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
