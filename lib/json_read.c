/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "json_read.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "yaml.h"

struct fy_document *json_parse(const char *text, size_t size)
{
	struct fy_parse_cfg cfg = { .flags = FYPCF_QUIET | FYPCF_JSON_FORCE,
				    .diag = yaml_silence() };
	struct fy_document *doc = cfg.diag ? fy_document_build_from_string(&cfg, text, size) : NULL;

	/* Of what follows a whole document it says only that it is wrong. */
	if (doc && fy_diag_got_error(cfg.diag)) {
		fy_document_destroy(doc);
		doc = NULL;
	}
	if (cfg.diag)
		fy_diag_destroy(cfg.diag);
	return doc;
}

struct fy_node *json_member(struct fy_node *object, const char *key)
{
	return object && fy_node_is_mapping(object)
		       ? fy_node_mapping_lookup_value_by_simple_key(object, key, strlen(key))
		       : NULL;
}

/* The characters of what stands there without quotes, or NULL. */
static const char *bare(struct fy_node *value)
{
	return value && fy_node_is_scalar(value) && fy_node_get_style(value) == FYNS_PLAIN
		       ? fy_node_get_scalar0(value)
		       : NULL;
}

const char *json_text_of(struct fy_node *value)
{
	const char *text = NULL;
	size_t len;

	if (value && fy_node_is_scalar(value) && !bare(value))
		text = fy_node_get_scalar0(value);
	/* With "\u0000" in it, it would seem to be another. */
	return text && fy_node_get_scalar(value, &len) && len == strlen(text) ? text : NULL;
}

static bool is_bare(struct fy_node *value, const char *what)
{
	const char *text = bare(value);

	return text && strcmp(text, what) == 0;
}

bool json_is_null(struct fy_node *value)
{
	return is_bare(value, "null");
}

bool json_get_bool(struct fy_node *value, bool *ret)
{
	*ret = is_bare(value, "true");
	return *ret || is_bare(value, "false");
}

bool json_get_u64(struct fy_node *value, uint64_t *ret)
{
	const char *text = bare(value);
	char *end;

	if (!text || *text < '0' || *text > '9')
		return false;
	errno = 0;
	*ret = strtoull(text, &end, 10);
	return !*end && !errno;
}

bool json_get_text(struct fy_node *value, char *ret, size_t size)
{
	const char *text = json_is_null(value) ? "" : json_text_of(value);

	if (!text || strlen(text) >= size)
		return false;
	memcpy(ret, text, strlen(text) + 1);
	return true;
}
