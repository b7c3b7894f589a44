/* SPDX-License-Identifier: GPL-2.0-or-later */
/* json_read.h - JSON (RFC 8259) as a tree: a document that is in memory, and its values. */
#ifndef CHOPPY_JSON_READ_H
#define CHOPPY_JSON_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libfyaml.h>

/* @text must live as long as the document. NULL: it is not JSON, or there is no memory. */
struct fy_document *json_parse(const char *text, size_t size);

/* The value of @key; NULL: @object is none, or has no such key. NULL may be asked, too. */
struct fy_node *json_member(struct fy_node *object, const char *key);

/* The characters of a string, NULL for what is none, or has a NUL in it. */
const char *json_text_of(struct fy_node *value);
bool json_is_null(struct fy_node *value);

/* False: it is none. */
bool json_get_bool(struct fy_node *value, bool *ret);
bool json_get_u64(struct fy_node *value, uint64_t *ret);
/* A string, or null for "". False: it is neither, or has no room in @size bytes. */
bool json_get_text(struct fy_node *value, char *ret, size_t size);

#endif
