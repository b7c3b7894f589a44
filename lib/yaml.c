/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libfyaml does the reading. A scalar knows where it stands; a list or a mapping stands where its
 * first scalar does, or what is empty where the key before it does.
 */
#include "yaml.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "err.h"
#include "util.h"

#define DEPTH_MAX 64 /* of a first scalar inside lists inside lists */

struct yaml {
	char *name, *text;
	size_t size;
	struct problems *problems;
	struct fy_diag *diag;
	struct fy_document *doc;
};

void yaml_close(struct yaml *y)
{
	if (!y)
		return;
	if (y->doc)
		fy_document_destroy(y->doc);
	if (y->diag)
		fy_diag_destroy(y->diag);
	free(y->name);
	free(y->text);
	free(y);
}

/* ---------------------------------------------------------------- problems */

void yaml_problem(const struct yaml *y, const struct place *at, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	problems_add(y->problems, y->text, y->size, at, fmt, ap);
	va_end(ap);
}

static struct fy_node *first_scalar(struct fy_node *node)
{
	for (int depth = 0; node && depth < DEPTH_MAX && !fy_node_is_scalar(node); depth++) {
		void *iter = NULL;
		struct fy_node_pair *pair;

		if (fy_node_is_sequence(node)) {
			node = fy_node_sequence_iterate(node, &iter);
			continue;
		}
		pair = fy_node_mapping_iterate(node, &iter);
		node = pair ? fy_node_pair_key(pair) : NULL;
	}
	return node;
}

/* The key of the pair in @map whose value is @node, or NULL. */
static struct fy_node *key_of(struct fy_node *map, const struct fy_node *node)
{
	struct fy_node_pair *pair;
	void *iter = NULL;

	while (fy_node_is_mapping(map) && (pair = fy_node_mapping_iterate(map, &iter)))
		if (fy_node_pair_value(pair) == node)
			return fy_node_pair_key(pair);
	return NULL;
}

/* Where @node is seen: at its first scalar, or at the key of what it is in. */
static struct fy_node *seen_at(struct fy_node *node)
{
	struct fy_node *scalar = first_scalar(node), *parent;

	for (; node && !scalar; node = parent) {
		parent = fy_node_get_parent(node);
		scalar = parent ? first_scalar(key_of(parent, node)) : NULL;
	}
	return scalar;
}

struct place yaml_place(const struct yaml *y, struct fy_node *node)
{
	struct fy_node *scalar = seen_at(node);
	struct fy_token *token = scalar ? fy_node_get_scalar_token(scalar) : NULL;
	const struct fy_mark *mark = token ? fy_token_start_mark(token) : NULL;

	return (struct place){ .file = y->name,
			       .line = mark ? mark->line + 1 : 0,
			       .column = mark ? mark->column + 1 : 0 };
}

/* What libfyaml found. */
static void tell_syntax(const struct yaml *y)
{
	const struct fy_diag_error *e;
	void *iter = NULL;
	int n = 0;

	while ((e = fy_diag_errors_iterate(y->diag, &iter))) {
		const struct place at = { .file = y->name, .line = e->line, .column = e->column };

		/* What people mean by w[1-3] there is a list to YAML. */
		yaml_problem(
			y, &at, "%s%s", e->msg,
			strstr(e->msg, "missing comma")
				? " (between brackets a name with a range is quoted: \"w[1-3]\")"
				: "");
		n++;
	}
	if (!n)
		yaml_problem(y, &(struct place){ .file = y->name }, "this is not YAML");
}

/* ----------------------------------------------------------------- reading */

/* What is not collected libfyaml would print. */
static void say_nothing(struct fy_diag *diag, void *user, const char *buf, size_t len)
{
}

struct fy_diag *yaml_silence(void)
{
	struct fy_diag_cfg cfg;

	fy_diag_cfg_default(&cfg);
	cfg.fp = NULL; /* it goes before the function */
	cfg.output_fn = say_nothing;
	return fy_diag_create(&cfg);
}

/* libfyaml takes a text without a document for an error. */
static bool is_empty(const char *text)
{
	for (; *text; text++) {
		text += strspn(text, " \t\r\n");
		if (*text == '#')
			text += strcspn(text, "\n");
		if (!*text)
			break;
		if (*text != '\n')
			return false;
	}
	return true;
}

/* The bytes of the character at @p, of @n bytes that are left: 0 when it is none (RFC 3629). */
static size_t utf8_length(const uint8_t *p, size_t n)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t len = p[0] < 0x80 ? 1 : p[0] < 0xc0 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	uint32_t c = p[0] & (0xff >> (len + 1));

	if (len < 2)
		return len;
	if (len > n || p[0] > 0xf4)
		return 0;
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	return c < least[len] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000) ? 0 : len;
}

/* False: told. */
static bool is_text(const struct yaml *y)
{
	struct place at = { .file = y->name, .line = 1, .column = 1 };
	size_t len;

	for (size_t i = 0; i < y->size; i += len) {
		len = utf8_length((const uint8_t *)y->text + i, y->size - i);
		if (len == 0 || !y->text[i]) {
			yaml_problem(y, &at, "the byte 0x%02x is not text in UTF-8",
				     (unsigned char)y->text[i]);
			return false;
		}
		at.column = y->text[i] == '\n' ? 1 : at.column + 1;
		at.line += y->text[i] == '\n';
	}
	return true;
}

static int build(struct yaml *y)
{
	struct fy_parse_cfg cfg = { .flags = FYPCF_QUIET | FYPCF_DEFAULT_VERSION_1_2 };

	if (!is_text(y))
		return -EINVAL;
	if (is_empty(y->text))
		return 0;
	y->diag = yaml_silence();
	if (!y->diag)
		return -ENOMEM;
	fy_diag_set_collect_errors(y->diag, true);
	cfg.diag = y->diag;
	y->doc = fy_document_build_from_string(&cfg, y->text, y->size);
	if (y->doc && !fy_diag_got_error(y->diag))
		return 0;
	tell_syntax(y);
	return -EINVAL;
}

int yaml_parse(struct yaml **ret, const char *name, const char *text, size_t size,
	       struct problems *problems, struct choppy_err *err)
{
	struct yaml *y = calloc(1, sizeof(*y));
	int r = -ENOMEM;

	if (y) {
		y->problems = problems;
		y->name = strdup(name);
		y->text = malloc(size + 1);
		y->size = size;
	}
	if (y && y->name && y->text) {
		memcpy(y->text, text, size);
		y->text[size] = '\0';
		r = build(y);
	}
	if (r == 0) {
		*ret = y;
		return 0;
	}
	yaml_close(y);
	return r == -EINVAL ? err_set(err, r, "%s is not YAML", name)
			    : err_sys(err, r, "read %s", name);
}

int yaml_open(struct yaml **ret, const char *path, struct problems *problems,
	      struct choppy_err *err)
{
	CLEANUP_FD fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	CLEANUP_FREE char *text = NULL;
	struct stat st;
	size_t n = 0;
	ssize_t k;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(err, -errno, "read %s", path);
	if (S_ISDIR(st.st_mode))
		return err_sys(err, -EISDIR, "read %s", path);
	text = malloc(YAML_SIZE_MAX + 1);
	if (!text)
		return err_sys(err, -ENOMEM, "read %s", path);
	while ((k = read(fd, text + n, YAML_SIZE_MAX + 1 - n)) > 0)
		n += (size_t)k;
	if (k < 0)
		return err_sys(err, -errno, "read %s", path);
	if (n > YAML_SIZE_MAX)
		return err_set(err, -EFBIG, "%s has more than %d MiB", path, YAML_SIZE_MAX >> 20);
	return yaml_parse(ret, path, text, n, problems, err);
}

struct fy_node *yaml_value(struct fy_node *node)
{
	return node && fy_node_is_alias(node) ? fy_node_resolve_alias(node) : node;
}

struct fy_node *yaml_root(const struct yaml *y)
{
	return y->doc ? yaml_value(fy_document_root(y->doc)) : NULL;
}

/* YAML 1.2.2, 10.3.2: what a plain scalar says for null. */
static bool is_null(const char *text)
{
	static const char *const nulls[] = { "", "~", "null", "Null", "NULL" };

	for (size_t i = 0; i < ARRAY_SIZE(nulls); i++)
		if (strcmp(text, nulls[i]) == 0)
			return true;
	return false;
}

const char *yaml_text(struct fy_node *node)
{
	const char *text;

	node = yaml_value(node);
	if (!node)
		return "";
	if (!fy_node_is_scalar(node))
		return NULL;
	text = fy_node_get_scalar0(node);
	return text && !(fy_node_get_style(node) == FYNS_PLAIN && is_null(text)) ? text : "";
}
