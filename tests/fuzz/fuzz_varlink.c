/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzz target for the keeper's socket: the first byte says how the rest, a stream of messages, is
 * cut. Every message is taken apart as JSON; a lab in it that is accepted is told and read again to
 * the same; and those that need no living lab are served as the keeper serves them: each answer is
 * JSON, with what was asked or with why not.
 */
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz.h"
#include "internal.h"
#include "lab_json.h"

#define BYTES_MAX 8192
#define DEPTH_MAX 70

/* libfyaml 0.7 loses its scanner's buffer over a quote that is not closed: not ours to find. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libfyaml.so";
}

/* ---------------------------------------------------------------- messages */

static void check_value(struct fy_node *node, int depth)
{
	const char *text = json_text_of(node);
	struct fy_node_pair *pair;
	struct fy_node *item;
	void *iter = NULL;
	char buf[8];
	uint64_t n;
	bool b;

	CHECK(depth < DEPTH_MAX);
	CHECK((text != NULL) + json_get_u64(node, &n) + json_get_bool(node, &b) +
		      json_is_null(node) <=
	      1);
	CHECK(json_get_text(node, buf, sizeof(buf)) ==
	      (json_is_null(node) || (text && strlen(text) < sizeof(buf))));
	if (fy_node_is_sequence(node)) {
		while ((item = fy_node_sequence_iterate(node, &iter)))
			check_value(item, depth + 1);
	} else if (fy_node_is_mapping(node)) {
		while ((pair = fy_node_mapping_iterate(node, &iter))) {
			const char *key = json_text_of(fy_node_pair_key(pair));

			CHECK(!key || json_member(node, key) == fy_node_pair_value(pair));
			check_value(fy_node_pair_value(pair), depth + 1);
		}
	}
}

static char *told(const struct choppy_lab *lab)
{
	char *text = NULL;
	struct json j = { .one_line = true };

	j.f = open_memstream(&text, &(size_t){ 0 });
	CHECK(j.f);
	lab_json_write(&j, NULL, lab);
	CHECK(fclose(j.f) == 0);
	return text;
}

/* The measured loss is worked out of any numbers. */
static void check_lab(struct fy_node *from)
{
	static struct choppy_lab lab, again;
	struct choppy_err err = { 0 };
	struct fy_document *doc;
	char *text, *text_again;

	if (lab_json_read(&lab, from, &err) < 0) {
		CHECK(err.code == -EPROTO && *err.msg);
		return;
	}
	for (int d = 0; d < CHOPPY_NDIRS; d++)
		lab.counters[d].judged_lost %= lab.counters[d].judged + 1;
	text = told(&lab);
	doc = json_parse(text, strlen(text));
	CHECK(doc && lab_json_read(&again, fy_document_root(doc), &err) == 0);
	text_again = told(&again);
	CHECK(strcmp(text, text_again) == 0);
	free(text);
	free(text_again);
	fy_document_destroy(doc);
}

/* Whether the keeper can answer without a lab that stands. */
static bool can_be_served(struct fy_node *root)
{
	static const char *const need_one[] = { ".Show", ".Set", ".Enter" };
	const char *method = json_text_of(json_member(root, "method"));

	for (size_t i = 0; method && i < sizeof(need_one) / sizeof(*need_one); i++)
		if (strstr(method, need_one[i]))
			return false;
	return true;
}

static bool check_message(const char *text, size_t size)
{
	struct fy_document *doc = json_parse(text, size);
	struct fy_node *root;
	bool serve;

	if (!doc)
		return true;
	root = fy_document_root(doc);
	check_value(root, 0);
	check_lab(json_member(json_member(root, "parameters"), "lab"));
	serve = can_be_served(root);
	fy_document_destroy(doc);
	return serve;
}

/* ------------------------------------------------------------------ keeper */

static void check_answer(const char *text, size_t size)
{
	struct fy_document *doc = json_parse(text, size);
	struct fy_node *root = doc ? fy_document_root(doc) : NULL;

	CHECK(root && json_member(root, "parameters"));
	check_value(root, 0);
	fy_document_destroy(doc);
}

/* All that waits at the client's end. */
static void check_answers(struct varlink *client)
{
	const char *text;
	size_t size;

	while (varlink_read(client) == 0)
		while ((text = varlink_next(client, &size)))
			check_answer(text, size);
	CHECK(!client->ngot);
}

static void serve(const uint8_t *data, size_t size, size_t step)
{
	static const struct choppy_spec spec = { .name = "fuzz" };
	struct lab lab = { .spec = &spec };
	struct varlink client = VARLINK_NONE, keeper = VARLINK_NONE;
	int fd[2], r = 0;

	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd) == 0);
	client.fd = fd[0];
	keeper.fd = fd[1];
	for (size_t at = 0; r == 0 && at < size; at += step) {
		size_t n = size - at < step ? size - at : step;

		CHECK(write(client.fd, data + at, n) == (ssize_t)n);
		r = control_serve(&lab, &keeper, POLLIN);
		CHECK(r == 0 || r == 1 || r == -EPROTO);
		check_answers(&client);
	}
	varlink_close(&client);
	varlink_close(&keeper);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text;
	bool all = true;

	if (size < 2 || size > BYTES_MAX)
		return 0;
	text = (const char *)data + 1;
	for (const char *end;
	     (end = memchr(text, '\0', size - (size_t)(text - (const char *)data))); text = end + 1)
		all &= check_message(text, (size_t)(end - text));
	if (all)
		serve(data + 1, size - 1, 1 + size / 64 + data[0] * 8u);
	return 0;
}
