/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What goes over the keeper's socket: messages, however the stream is cut; JSON as it is read; and
 * a lab's state and a change of it, which are at the other end what they were at this one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "err.h"
#include "fields.h"
#include "lab_json.h"
#include "random_change.h"
#include "util.h"
#include "value.h"
#include "varlink.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define BYTES_MAX (1 << 18)

/* -------------------------------------------------------------------- JSON */

static struct fy_document *parse(const char *text)
{
	struct fy_document *doc = json_parse(text, strlen(text));

	if (!doc)
		fail_msg("%s is not JSON", text);
	return doc;
}

static void test_texts_are_read(void **state)
{
	static const struct {
		const char *json, *text; /* NULL: it is none */
	} rows[] = {
		{ "\"\"", "" },
		{ "\"a b\"", "a b" },
		{ " \"a\" ", "a" },
		{ "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t" },
		{ "\"\\u0041\\u00e4\\u20AC\"", "A\xc3\xa4\xe2\x82\xac" },
		{ "\"\\ud83d\\ude00\"", "\xf0\x9f\x98\x80" },
		{ "\"\xf0\x9f\x98\x80\"", "\xf0\x9f\x98\x80" },
		{ "\"\\u001f\x7f\"", "\x1f\x7f" },
		{ "\"null\"", "null" },
		{ "\"5\"", "5" },
		{ "\"true\"", "true" },
		{ "\"a\\u0000b\"", NULL }, /* no text of C holds it */
		{ "\"\\u0000\"", NULL },
		{ "null", NULL },
		{ "true", NULL },
		{ "5", NULL },
		{ "[]", NULL },
		{ "{}", NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct fy_document *doc = parse(rows[i].json);
		struct fy_node *root = fy_document_root(doc);
		const char *text = json_text_of(root);
		size_t n = rows[i].text ? strlen(rows[i].text) : 0;
		char buf[32] = "before";

		if (!text != !rows[i].text || (text && strcmp(text, rows[i].text) != 0))
			fail_msg("%s: '%s'", rows[i].json, text ? text : "(none)");
		if (rows[i].text) {
			assert_true(json_get_text(root, buf, n + 1));
			assert_string_equal(buf, rows[i].text);
			assert_false(json_get_text(root, buf, n));
		} else {
			assert_int_equal(json_get_text(root, buf, sizeof(buf)), json_is_null(root));
			assert_string_equal(buf, json_is_null(root) ? "" : "before");
		}
		fy_document_destroy(doc);
	}
	assert_null(json_text_of(NULL));
}

static void test_numbers_and_truths_are_read(void **state)
{
	static const struct {
		const char *json;
		bool is_number;
		uint64_t n;
		int truth; /* -1: it is none */
	} rows[] = {
		{ "0", true, 0, -1 },
		{ "-0", false, 0, -1 },
		{ "18446744073709551615", true, UINT64_MAX, -1 },
		{ "18446744073709551616", false, 0, -1 },
		{ "99999999999999999999999", false, 0, -1 },
		{ "-1", false, 0, -1 },
		{ "1.0", false, 0, -1 },
		{ "1e2", false, 0, -1 },
		{ "\"1\"", false, 0, -1 },
		{ "true", false, 0, 1 },
		{ "false", false, 0, 0 },
		{ "\"true\"", false, 0, -1 },
		{ "null", false, 0, -1 },
		{ "[1]", false, 0, -1 },
		{ "{}", false, 0, -1 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct fy_document *doc = parse(rows[i].json);
		struct fy_node *root = fy_document_root(doc);
		uint64_t n;
		bool b;

		if (json_get_u64(root, &n) != rows[i].is_number ||
		    (rows[i].is_number && n != rows[i].n))
			fail_msg("%s is read as a number", rows[i].json);
		if (json_get_bool(root, &b) != (rows[i].truth >= 0) ||
		    (rows[i].truth >= 0 && b != rows[i].truth))
			fail_msg("%s is read as a truth", rows[i].json);
		assert_int_equal(json_is_null(root), strcmp(rows[i].json, "null") == 0);
		fy_document_destroy(doc);
	}
	assert_false(json_get_u64(NULL, &(uint64_t){ 0 }));
	assert_false(json_get_bool(NULL, &(bool){ false }));
	assert_false(json_is_null(NULL));
	assert_false(json_get_text(NULL, (char[1]){ 0 }, 1));
}

static void test_members(void **state)
{
	struct fy_document *doc =
		parse("{\"a\": {\"b c\": [1, \"x\"]}, \"\": null, \"\\u0061a\": 7}");
	struct fy_node *root = fy_document_root(doc);
	uint64_t n;

	assert_non_null(json_member(json_member(root, "a"), "b c"));
	assert_null(json_member(json_member(root, "b"), "b c"));
	assert_null(json_member(json_member(json_member(root, "a"), "b c"), "x"));
	assert_true(json_is_null(json_member(root, "")));
	assert_true(json_get_u64(json_member(root, "aa"), &n) && n == 7);
	fy_document_destroy(doc);
}

/* Nothing of it is JSON, and nobody but the caller is told. */
static void test_what_is_no_json(void **state)
{
	static const char *const texts[] = {
		"",
		" ",
		"{",
		"}",
		"[",
		"]",
		"{]",
		"\"",
		"\"a",
		"'a'",
		"a",
		"{a: 1}",
		"{'a': 1}",
		"{\"a\"}",
		"{\"a\":}",
		"{\"a\" 1}",
		"{\"a\": 1,}",
		"{,}",
		"[1,]",
		"[,1]",
		"[1 2]",
		"{\"a\": 1 \"b\": 2}",
		"{1: 2}",
		"{[1]: 2}",
		"{\"a\": 1, \"a\": 2}",
		"01",
		"+1",
		"0x1",
		".5",
		"1.",
		"NaN",
		"Infinity",
		"nul",
		"True",
		"~",
		"\"\\x41\"",
		"\"\\q\"",
		"\"\\u12\"",
		"\"\\ud83d\"",
		"\"\\ude00\"",
		"\"\\ud83dx\"",
		"\"\\ud83d\\u0041\"",
		"\"a\nb\"",
		"\"a\tb\"",
		"\"\xff\"",
		"\"\xc3\"",
		"\"\xed\xa0\x80\"",
		"\xff",
		"# no\n{}",
		"// no\n{}",
		"{} # no",
		"{}x",
		"{} {}",
		"1 2",
		"- a",
		"a: b",
		"--- {}",
		"{}\n---\n{}",
		"{}\n...",
		"&a 1",
		"*a",
		"!!str 1",
		"%YAML 1.2\n--- 1",
		"|\n a",
		"? a\n: b",
		"{\"a\": &b 1, \"c\": *b}",
		"{\"<<\": [}",
	};
	int old = dup(2), heard = memfd_create("stderr", MFD_CLOEXEC), wrong = -1;
	struct fy_document *doc;
	off_t said;

	assert_true(old >= 0 && heard >= 0 && dup2(heard, 2) == 2);
	for (size_t i = 0; i < ARRAY_SIZE(texts) && wrong < 0; i++)
		if (json_parse(texts[i], strlen(texts[i])))
			wrong = (int)i;
	doc = json_parse("{\"a\":\0 1}", 9);
	said = lseek(heard, 0, SEEK_END);
	dup2(old, 2);
	close(old);
	close(heard);
	if (wrong >= 0)
		fail_msg("%s is taken for JSON", texts[wrong]);
	assert_null(doc);
	assert_int_equal(said, 0);
}

/* More brackets than anybody needs are refused before they need the stack. */
static void test_deep_json(void **state)
{
	static const size_t depths[] = { 1, 10, 60, 1000, 1000000 };

	for (size_t i = 0; i < ARRAY_SIZE(depths); i++) {
		size_t n = depths[i];
		char *text = malloc(2 * n);
		struct fy_document *doc;

		memset(text, '[', n);
		memset(text + n, ']', n);
		doc = json_parse(text, 2 * n);
		assert_int_equal(doc != NULL, n <= 60);
		if (doc)
			fy_document_destroy(doc);
		assert_null(json_parse(text, 2 * n - 1));
		free(text);
	}
}

/* ---------------------------------------------------------------- messages */

static void connect_pair(struct varlink *a, struct varlink *b)
{
	int fd[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd), 0);
	*a = *b = (struct varlink)VARLINK_NONE;
	a->fd = fd[0];
	b->fd = fd[1];
}

static void is_next(struct varlink *v, const char *want)
{
	size_t size = 0;
	const char *text = varlink_next(v, &size);

	if (!want) {
		assert_null(text);
		return;
	}
	assert_non_null(text);
	assert_string_equal(text, want);
	assert_int_equal(size, strlen(want));
}

static void test_a_message_arrives(void **state)
{
	struct varlink a, b;

	connect_pair(&a, &b);
	assert_int_equal(varlink_read(&b), -EAGAIN);
	is_next(&b, NULL);
	assert_int_equal(varlink_put(&a, "{\"x\": 1}", 8, NULL, 0), 0);
	assert_int_equal(varlink_read(&b), -EAGAIN);
	assert_int_equal(varlink_flush(&a), 0);
	assert_int_equal(varlink_read(&b), 0);
	is_next(&b, "{\"x\": 1}");
	is_next(&b, NULL);
	assert_int_equal(varlink_flush(&a), 0); /* nothing */
	assert_int_equal(varlink_read(&b), -EAGAIN);
	/* Three, one of them empty; the last not whole when the end closes. */
	assert_int_equal(varlink_put(&a, "one", 3, NULL, 0), 0);
	assert_int_equal(varlink_put(&a, "", 0, NULL, 0), 0);
	assert_int_equal(varlink_put(&a, "three", 5, NULL, 0), 0);
	assert_int_equal(varlink_flush(&a), 0);
	assert_int_equal(write(a.fd, "fou", 3), 3);
	varlink_close(&a);
	assert_int_equal(a.fd, -1);
	assert_int_equal(varlink_read(&b), 0);
	is_next(&b, "one");
	is_next(&b, "");
	is_next(&b, "three");
	is_next(&b, NULL);
	assert_int_equal(varlink_read(&b), -ECONNRESET);
	is_next(&b, NULL);
	varlink_close(&b);
}

static void test_messages_cut_anywhere(void **state)
{
	static const char *const texts[] = { "{\"a\": 1}", "", "x", "{\"b\": \"\xc3\xa4\"}", "" };
	char stream[64];
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		memcpy(stream + n, texts[i], strlen(texts[i]) + 1);
		n += strlen(texts[i]) + 1;
	}
	for (size_t first = 0; first <= n; first++) {
		for (size_t second = first; second <= n; second++) {
			const size_t part[4] = { 0, first, second, n };
			size_t next = 0, whole = 0;
			struct varlink a, b;

			connect_pair(&a, &b);
			for (int k = 0; k < 3; k++) {
				size_t len = part[k + 1] - part[k], size;
				const char *text;

				assert_int_equal(write(a.fd, stream + part[k], len), len);
				assert_int_equal(varlink_read(&b), len ? 0 : -EAGAIN);
				while ((text = varlink_next(&b, &size))) {
					assert_string_equal(text, texts[next]);
					whole += strlen(texts[next++]) + 1;
				}
				assert_true(whole <= part[k + 1]);
				assert_true(next == ARRAY_SIZE(texts) ||
					    whole + strlen(texts[next]) + 1 > part[k + 1]);
			}
			assert_int_equal(next, ARRAY_SIZE(texts));
			varlink_close(&a);
			varlink_close(&b);
		}
	}
}

/* As much as the socket takes, and the rest when it takes more; many messages of many sizes. */
static void test_a_full_socket_loses_nothing(void **state)
{
	enum { MESSAGES = 60 };
	uint64_t seed = 5;
	static char text[MESSAGES][BYTES_MAX];
	struct varlink a, b;
	uint32_t got = 0, put = 0, full = 0;

	connect_pair(&a, &b);
	assert_int_equal(setsockopt(a.fd, SOL_SOCKET, SO_SNDBUF, &(int){ 4096 }, sizeof(int)), 0);
	while (got < MESSAGES) {
		const char *message;
		size_t size;
		int r;

		if (put < MESSAGES && random_next(&seed) % 2) {
			size_t n = random_next(&seed) % (1u << random_next(&seed) % 18);

			for (size_t i = 0; i < n; i++)
				text[put][i] = (char)(1 + random_next(&seed) % 255);
			text[put][n] = '\0';
			assert_int_equal(varlink_put(&a, text[put], n, NULL, 0), 0);
			put++;
		}
		r = varlink_flush(&a);
		full += r == -EAGAIN;
		assert_true(r == 0 || r == -EAGAIN);
		r = varlink_read(&b);
		assert_true(r == 0 || r == -EAGAIN);
		while ((message = varlink_next(&b, &size))) {
			assert_int_equal(size, strlen(text[got]));
			assert_memory_equal(message, text[got], size);
			got++;
		}
	}
	assert_true(full > 0);
	varlink_close(&a);
	varlink_close(&b);
}

static void test_the_longest_message(void **state)
{
	char *big = malloc(VARLINK_MESSAGE_MAX);
	struct varlink a, b;
	const char *text = NULL;
	size_t size = 0;

	memset(big, 'x', VARLINK_MESSAGE_MAX);
	connect_pair(&a, &b);
	assert_int_equal(varlink_put(&a, big, VARLINK_MESSAGE_MAX, NULL, 0), 0);
	for (int r = 0; !text; text = r ? NULL : varlink_next(&b, &size)) {
		r = varlink_flush(&a);
		assert_true(r == 0 || r == -EAGAIN);
		r = varlink_read(&b);
		assert_true(r == 0 || r == -EAGAIN);
	}
	assert_int_equal(size, VARLINK_MESSAGE_MAX);
	assert_memory_equal(text, big, size);
	varlink_close(&a);
	varlink_close(&b);
	free(big);
}

static void test_a_message_that_never_ends_is_refused(void **state)
{
	static const char part[65536] = { [0 ... 65535] = 'x' };
	struct varlink a, b;
	size_t sent = 0;
	int r = 0;

	connect_pair(&a, &b);
	while (r == 0 || r == -EAGAIN) {
		ssize_t n = write(a.fd, part, sizeof(part));

		sent += n > 0 ? (size_t)n : 0;
		r = varlink_read(&b);
		is_next(&b, NULL);
	}
	assert_int_equal(r, -E2BIG);
	assert_in_range(sent, VARLINK_MESSAGE_MAX, VARLINK_MESSAGE_MAX + (1 << 20));
	assert_int_equal(varlink_read(&b), -E2BIG);
	varlink_close(&a);
	varlink_close(&b);
}

static bool same_file(int a, int b)
{
	struct stat x, y;

	assert_int_equal(fstat(a, &x), 0);
	assert_int_equal(fstat(b, &y), 0);
	return x.st_ino == y.st_ino && x.st_dev == y.st_dev;
}

static void test_descriptors_go_with_a_message(void **state)
{
	int fds[VARLINK_FDS_MAX + 1], keep[VARLINK_FDS_MAX + 1];
	struct varlink a, b;

	for (int i = 0; i <= VARLINK_FDS_MAX; i++) {
		keep[i] = memfd_create("a", MFD_CLOEXEC);
		fds[i] = dup(keep[i]);
		assert_true(keep[i] >= 0 && fds[i] >= 0);
	}
	connect_pair(&a, &b);
	assert_int_equal(varlink_put(&a, "three", 5, fds, 3), 0);
	assert_int_equal(a.nsend, 3);
	/* The caller's may be closed before they are sent. */
	for (int i = 0; i < 3; i++)
		close_fd(&fds[i]);
	assert_int_equal(varlink_flush(&a), 0);
	assert_int_equal(a.nsend, 0);
	assert_int_equal(varlink_read(&b), 0);
	is_next(&b, "three");
	assert_int_equal(b.ngot, 3);
	for (int i = 0; i < 3; i++) {
		assert_true(same_file(b.got[i], keep[i]));
		assert_true(fcntl(b.got[i], F_GETFD) & FD_CLOEXEC);
	}
	/* All that there is room for, and none is left out in silence. */
	for (int i = 0; i < 3; i++)
		fds[i] = dup(keep[i]);
	assert_int_equal(varlink_put(&a, "nine", 4, fds, VARLINK_FDS_MAX + 1), -E2BIG);
	assert_int_equal(varlink_put(&a, "six", 3, fds, 6), 0);
	assert_int_equal(varlink_put(&a, "more", 4, fds, 3), -E2BIG);
	assert_int_equal(varlink_put(&a, "bad", 3, (int[]){ fds[0], 9999 }, 2), -EBADF);
	assert_int_equal(a.nsend, 6);
	assert_int_equal(varlink_flush(&a), 0);
	assert_int_equal(varlink_read(&b), 0);
	is_next(&b, "six");
	is_next(&b, NULL);
	/* Three were not taken yet, so the reader has room for five of the six. */
	assert_int_equal(b.ngot, VARLINK_FDS_MAX);
	for (int i = 0; i <= VARLINK_FDS_MAX; i++) {
		close_fd(&fds[i]);
		close_fd(&keep[i]);
	}
	varlink_close(&a);
	varlink_close(&b);
}

static int count_open(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

/* What was sent, what is not, and what nobody took. */
static void test_no_descriptor_is_left_open(void **state)
{
	int fd = memfd_create("a", MFD_CLOEXEC), before = count_open();
	struct varlink a, b;

	connect_pair(&a, &b);
	assert_int_equal(varlink_put(&a, "x", 1, (int[]){ fd, fd }, 2), 0);
	assert_int_equal(varlink_flush(&a), 0);
	assert_int_equal(varlink_put(&a, "y", 1, (int[]){ fd, fd }, 2), 0);
	assert_int_equal(varlink_put(&a, "z", 1, (int[]){ fd, -1 }, 2), -EBADF);
	assert_int_equal(varlink_read(&b), 0);
	assert_int_equal(b.ngot, 2);
	assert_int_equal(count_open(), before + 2 + 2 + 2);
	varlink_close(&a);
	varlink_close(&b);
	assert_int_equal(count_open(), before);
	close(fd);
}

static void test_a_message_in_the_making(void **state)
{
	struct varlink_text t;
	struct fy_document *doc;
	char *text;
	size_t size;

	assert_int_equal(varlink_begin(&t), 0);
	json_object(&t.json, NULL);
	json_text(&t.json, "a\n\"", "\x01\xff\xe2\x82\xac\\");
	json_i64(&t.json, "b", INT64_MIN);
	json_array(&t.json, "c");
	json_u64(&t.json, NULL, UINT64_MAX);
	json_bool(&t.json, NULL, true);
	json_text_or_null(&t.json, NULL, "");
	json_array_end(&t.json);
	json_object(&t.json, "d");
	json_object_end(&t.json);
	json_object_end(&t.json);
	text = varlink_end(&t, &size);
	assert_int_equal(size, strlen(text));
	assert_null(strchr(text, '\n'));
	assert_string_equal(text, "{\"a\\u000a\\\"\": \"\\u0001\xef\xbf\xbd\xe2\x82\xac\\\\\", "
				  "\"b\": -9223372036854775808, "
				  "\"c\": [18446744073709551615, true, null], \"d\": {}}");
	doc = parse(text);
	assert_string_equal(json_text_of(json_member(fy_document_root(doc), "a\n\"")),
			    "\x01\xef\xbf\xbd\xe2\x82\xac\\");
	fy_document_destroy(doc);
	free(text);
}

/* ------------------------------------------------------------------- a lab */

/* A text of at most @size bytes with its NUL, of all kinds of characters; never empty. */
static void random_text(char *ret, size_t size, uint64_t *s)
{
	static const char *const pieces[] = { "a",
					      "B",
					      "9",
					      " ",
					      "\"",
					      "'",
					      "\\",
					      "/",
					      "\t",
					      "\x1b",
					      "{",
					      "\xc3\xa4",
					      "%",
					      "}",
					      ":",
					      "#",
					      "\xf0\x9f\x98\x80" };
	size_t n = 1 + random_next(s) % 24;

	*ret++ = 'x';
	size--;
	*ret = '\0';
	while (n-- > 0) {
		const char *piece = pieces[random_next(s) % ARRAY_SIZE(pieces)];

		if (strlen(piece) >= size)
			break;
		strcpy(ret, piece);
		ret += strlen(piece);
		size -= strlen(piece);
	}
}

static void maybe_text(char *ret, size_t size, uint64_t *s)
{
	if (random_next(s) % 3)
		random_text(ret, size, s);
}
#define MAYBE_TEXT(array, s) maybe_text(array, sizeof(array), s)

/* Files that are not there, with names that have to be quoted. */
static void give_files(struct choppy_condition *c, uint64_t *s)
{
	static const char *const names[] = { "/no such dir/a trace.csv", "/it's/\"there\"",
					     "/\xc3\xa4/\\b", "/a\tb" };

	if (c->set & CHOPPY_FIELD_BIT(CHOPPY_TRACE) && random_next(s) % 2) {
		memset(c->trace, 0, sizeof(c->trace));
		strcpy(c->trace, names[random_next(s) % 4]);
	}
	if (c->set & CHOPPY_FIELD_BIT(CHOPPY_DISTRIBUTION) && random_next(s) % 2) {
		memset(c->distribution, 0, sizeof(c->distribution));
		strcpy(c->distribution, names[random_next(s) % 4]);
	}
}

/* As the keeper has them: what both directions have in common is one rule. */
static void random_rules(struct choppy_lab *lab, uint64_t *s)
{
	struct choppy_change *c = malloc(sizeof(*c));

	random_change(c, s);
	for (int d = 0; d < CHOPPY_NDIRS; d++) {
		lab->dir[d] = c->dir[d];
		give_files(&lab->dir[d], s);
	}
	for (uint32_t i = 0; i < c->rules.n; i++)
		give_files(&c->rules.rule[i].condition, s);
	assert_int_equal(choppy_rules_merge(&lab->rules, c, NULL), 0);
	free(c);
}

static void random_counters(struct choppy_counters *n, uint64_t *s)
{
	uint64_t *all = (uint64_t *)n;

	for (size_t i = 0; i < sizeof(*n) / sizeof(*all); i++)
		all[i] = random_next(s) >> random_next(s) % 64;
	if (random_next(s) % 2)
		n->duplicated = n->corrupted = n->marked = CHOPPY_UNKNOWN;
	n->judged_lost %= n->judged + 1;
}

static void random_people(struct choppy_lab *lab, uint64_t *s)
{
	MAYBE_TEXT(lab->name, s);
	MAYBE_TEXT(lab->dev, s);
	MAYBE_TEXT(lab->host_dev, s);
	MAYBE_TEXT(lab->congestion, s);
	MAYBE_TEXT(lab->foreign_qdisc, s);
	MAYBE_TEXT(lab->link, s);
	for (int i = 0; i < 2; i++) {
		MAYBE_TEXT(lab->addr4[i], s);
		MAYBE_TEXT(lab->addr6[i], s);
		MAYBE_TEXT(lab->tc[i], s);
		if (*lab->link)
			random_text(lab->ends[i], sizeof(lab->ends[i]), s);
	}
	lab->nnotes = (int)(random_next(s) % (CHOPPY_NOTES_MAX + 1));
	for (int i = 0; i < lab->nnotes; i++)
		random_text(lab->notes[i], sizeof(lab->notes[i]), s);
	for (uint64_t i = random_next(s) % 4; i > 0; i--) {
		size_t n = strlen(lab->faults);

		if (n)
			lab->faults[n++] = '\n';
		random_text(lab->faults + n, sizeof(lab->faults) - n, s);
	}
}

static void random_lab(struct choppy_lab *lab, uint64_t *s)
{
	memset(lab, 0, sizeof(*lab));
	random_people(lab, s);
	random_rules(lab, s);
	lab->permanent = random_next(s) % 2;
	lab->rootless = random_next(s) % 2;
	lab->own_gateway = random_next(s) % 2;
	lab->map_root = random_next(s) % 2;
	lab->seeded = random_next(s) % 2;
	lab->keeper = (pid_t)(random_next(s) % 5000);
	lab->init = (pid_t)(random_next(s) % 2 * INT32_MAX);
	lab->backend = (enum choppy_backend)(random_next(s) % CHOPPY_NBACKENDS);
	lab->uplink = (enum choppy_uplink)(random_next(s) % CHOPPY_NUPLINKS);
	lab->seed = random_next(s);
	lab->nodes = (uint32_t)random_next(s);
	lab->links = (uint32_t)random_next(s);
	lab->nnotes_now = (uint32_t)random_next(s);
	lab->npublish = (int)(random_next(s) % (CHOPPY_MAX_PUBLISH + 1));
	for (int i = 0; i < lab->npublish; i++)
		lab->publish[i] = (struct choppy_publish){ (uint16_t)random_next(s),
							   (uint16_t)random_next(s) };
	for (int d = 0; d < CHOPPY_NDIRS; d++) {
		random_counters(&lab->counters[d], s);
		for (uint32_t i = 0; i < lab->rules.n; i++)
			if (lab->rules.rule[i].dirs & CHOPPY_DIR_BIT(d))
				lab->matched[d][i] = random_next(s);
	}
}

/* As text: to be freed. */
static char *written(const struct choppy_lab *lab, bool one_line)
{
	char *text = NULL;
	struct json j = { .one_line = one_line };

	j.f = open_memstream(&text, &(size_t){ 0 });
	assert_non_null(j.f);
	lab_json_write(&j, NULL, lab);
	assert_int_equal(fclose(j.f), 0);
	return text;
}

static void comes_back(const struct choppy_lab *lab, bool one_line)
{
	struct choppy_lab *again = malloc(sizeof(*again));
	struct choppy_err err = { 0 };
	char *text = written(lab, one_line), *text_again;
	struct fy_document *doc = parse(text);

	memset(again, 0xa5, sizeof(*again));
	if (lab_json_read(again, fy_document_root(doc), &err) < 0)
		fail_msg("%s: %s", err.msg, text);
	assert_int_equal(err.code, 0);
	text_again = written(again, one_line);
	assert_string_equal(text_again, text);
	if (memcmp(again, lab, sizeof(*lab)) != 0)
		fail_msg("not the same, but also %s", text);
	fy_document_destroy(doc);
	free(text);
	free(text_again);
	free(again);
}

static void test_a_lab_comes_back(void **state)
{
	struct choppy_lab *lab = malloc(sizeof(*lab));
	uint64_t seed = 77;

	memset(lab, 0, sizeof(*lab));
	comes_back(lab, false);
	for (int i = 0; i < 1500; i++) {
		random_lab(lab, &seed);
		comes_back(lab, i % 2);
	}
	free(lab);
}

/* As many as there can be, none in both directions: @up of them go up. */
static void all_rules(struct choppy_lab *lab, uint32_t up, bool mixed)
{
	memset(lab, 0, sizeof(*lab));
	lab->rules.n = CHOPPY_RULES_MAX;
	for (uint32_t i = 0; i < CHOPPY_RULES_MAX; i++) {
		struct choppy_rule *rule = &lab->rules.rule[i];
		bool is_up = mixed ? i * up / CHOPPY_RULES_MAX != (i + 1) * up / CHOPPY_RULES_MAX
				   : i < up;

		snprintf(rule->match, sizeof(rule->match), "tcp port %u and 'it' > \"%u\"", i, up);
		rule->dirs = CHOPPY_DIR_BIT(is_up ? CHOPPY_UP : CHOPPY_DOWN);
		rule->condition.set = CHOPPY_FIELD_BIT(CHOPPY_LOSS);
		rule->condition.loss_ppb = 1 + i;
		lab->matched[is_up ? CHOPPY_UP : CHOPPY_DOWN][i] = 100 + i;
	}
}

/* The weaver puts what goes up first; a keeper's rules have been through it. */
static void woven(struct choppy_lab *lab)
{
	struct choppy_change *c = calloc(1, sizeof(*c));
	uint64_t matched[CHOPPY_RULES_MAX][CHOPPY_NDIRS];

	c->rules = lab->rules;
	memset(&lab->rules, 0, sizeof(lab->rules));
	assert_int_equal(choppy_rules_merge(&lab->rules, c, NULL), 0);
	for (uint32_t i = 0; i < lab->rules.n; i++)
		for (uint32_t k = 0; k < c->rules.n; k++)
			for (int d = 0; d < CHOPPY_NDIRS; d++)
				if (strcmp(lab->rules.rule[i].match, c->rules.rule[k].match) == 0)
					matched[i][d] = lab->matched[d][k];
	for (uint32_t i = 0; i < lab->rules.n; i++)
		for (int d = 0; d < CHOPPY_NDIRS; d++)
			lab->matched[d][i] = matched[i][d];
	free(c);
}

static void test_sixteen_rules_of_two_directions_come_back(void **state)
{
	struct choppy_lab *lab = malloc(sizeof(*lab));

	for (uint32_t up = 0; up <= CHOPPY_RULES_MAX; up++) {
		for (int mixed = 0; mixed < 2; mixed++) {
			all_rules(lab, up, mixed);
			woven(lab);
			assert_int_equal(lab->rules.n, CHOPPY_RULES_MAX);
			comes_back(lab, true);
		}
	}
	free(lab);
}

/* All that has room, filled to its last byte. */
static void test_the_longest_texts_come_back(void **state)
{
	struct choppy_lab *lab = calloc(1, sizeof(*lab));

	memset(lab->name, 'n', sizeof(lab->name) - 1);
	memset(lab->dev, '"', sizeof(lab->dev) - 1);
	memset(lab->link, 'l', sizeof(lab->link) - 1);
	memset(lab->faults, '\\', sizeof(lab->faults) - 1);
	for (int i = 0; i < 2; i++) {
		memset(lab->ends[i], 'e', sizeof(lab->ends[i]) - 1);
		memset(lab->tc[i], 't', sizeof(lab->tc[i]) - 1);
		lab->dir[i].set = CHOPPY_FIELD_BIT(CHOPPY_TRACE);
		memset(lab->dir[i].trace, '\'', sizeof(lab->dir[i].trace) - 1);
		lab->dir[i].trace[0] = '/';
	}
	lab->nnotes = CHOPPY_NOTES_MAX;
	for (int i = 0; i < CHOPPY_NOTES_MAX; i++)
		memset(lab->notes[i], 1 + i, sizeof(lab->notes[i]) - 1);
	comes_back(lab, true);
	free(lab);
}

static const char *const facts[] = {
	"name",
	"permanent",
	"nodes",
	"links",
	"link",
	"ends",
	"ipv4",
	"ipv6",
	"device",
	"host_device",
	"own_gateway",
	"rootless",
	"map_root",
	"uplink",
	"publish",
	"backend",
	"seed",
	"seeded",
	"congestion_control",
	"keeper",
	"init",
	"condition",
	"rules",
	"faults",
	"tc",
	"foreign_qdisc",
	"counters",
	"notes",
	"notes_now",
};

static void not_read(struct fy_document *doc, const char *key, const char *value)
{
	struct choppy_lab *lab = malloc(sizeof(*lab));
	struct choppy_err err = { 0 };
	int r = lab_json_read(lab, fy_document_root(doc), &err);

	if (r != -EPROTO || !strstr(err.msg, key))
		fail_msg("%s is %s: %d %s", key, value, r, err.msg);
	free(lab);
	fy_document_destroy(doc);
}

/* @text with @value in place of what @key has. */
static void refused(const char *text, const char *key, const char *value)
{
	struct fy_document *doc = parse(text);
	struct fy_node *root = fy_document_root(doc);
	struct fy_node_pair *pair = fy_node_mapping_lookup_pair_by_string(root, key, strlen(key));

	assert_non_null(pair);
	assert_int_equal(
		fy_node_pair_set_value(pair, fy_node_build_from_string(doc, value, strlen(value))),
		0);
	not_read(doc, key, value);
}

/* @text with another key in place of @key, which is the first of its name. */
static void missing(const char *text, const char *key)
{
	char *copy = strdup(text), quoted[64];

	snprintf(quoted, sizeof(quoted), "\"%s\": ", key);
	strstr(copy, quoted)[1] = '#';
	not_read(parse(copy), key, "not there");
	free(copy);
}

static void test_what_is_no_lab_is_refused(void **state)
{
	struct choppy_lab *lab = malloc(sizeof(*lab));
	struct choppy_err err = { 0 };
	uint64_t seed = 9;
	char *text;

	for (int round = 0; round < 3; round++) {
		random_lab(lab, &seed);
		text = written(lab, true);
		for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
			missing(text, facts[i]);
			refused(text, facts[i], "{}");
			refused(text, facts[i], "[[]]");
			refused(text, facts[i], "1.5");
		}
		free(text);
	}
	assert_int_equal(lab_json_read(lab, NULL, &err), -EPROTO);
	free(lab);
}

static void test_numbers_that_have_no_room_are_refused(void **state)
{
	static const struct {
		const char *key, *value;
	} rows[] = {
		{ "name", "\"01234567890123456789012345678901\"" },
		{ "nodes", "4294967296" },
		{ "keeper", "2147483648" },
		{ "seed", "18446744073709551616" },
		{ "publish", "[{\"host_port\": 65536, \"node_port\": 1}]" },
		{ "publish", "[{\"host_port\": 1}]" },
		{ "uplink", "\"nut\"" },
		{ "backend", "\"\"" },
		{ "notes", "[1, 2, 3, 4, 5, 6, 7, 8, 9]" },
		{ "notes", "[\"1\", \"2\", \"3\", \"4\", \"5\", \"6\", \"7\", \"8\", \"9\"]" },
		{ "ends", "[\"a\"]" },
		{ "ends", "[\"a\", \"b\", \"c\"]" },
		{ "condition", "{\"words\": \"up los 1%\"}" },
		{ "condition", "{\"words\": \"up 'loss\"}" },
		{ "condition", "{\"words\": \"up clear\"}" },
		{ "condition", "{\"words\": 5}" },
		{ "condition", "{\"words\": \"up trace nowhere\"}" },
		{ "condition", "{\"words\": \"up trace ./leo\"}" },
	};
	struct choppy_lab *lab = calloc(1, sizeof(*lab));
	char *text = written(lab, true);

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		refused(text, rows[i].key, rows[i].value);
	free(text);
	free(lab);
}

/* ----------------------------------------------------------------- changes */

/* What words for a change may say: some of it removed, some rules taken away. */
static void random_wish(struct choppy_change *c, uint64_t *s)
{
	random_change(c, s);
	for (int d = 0; d < CHOPPY_NDIRS; d++) {
		c->clear[d] = random_next(s) % 4 == 0;
		c->rules_off[d] = !c->clear[d] && random_next(s) % 4 == 0;
		for (int f = 0; !c->clear[d] && f < CHOPPY_NFIELDS; f = clause_end(f))
			if (!(c->dir[d].set & clause_mask(f)) && random_next(s) % 8 == 0)
				c->off[d] |= clause_mask(f);
	}
	for (uint32_t i = 0; i < c->rules.n; i++) {
		struct choppy_rule *rule = &c->rules.rule[i];
		bool cleared = false;

		for (int d = 0; d < CHOPPY_NDIRS; d++)
			cleared |= (c->clear[d] || c->rules_off[d]) &&
				   (rule->dirs & CHOPPY_DIR_BIT(d));
		if (cleared || random_next(s) % 3)
			continue;
		rule->off = 1;
		memset(&rule->condition, 0, sizeof(rule->condition));
	}
}

/* All that the words say, and in each direction the same rules in the same order. */
static void same_change(const struct choppy_change *a, const struct choppy_change *b,
			const char *text)
{
	bool same = memcmp(a->dir, b->dir, sizeof(a->dir)) == 0 &&
		    memcmp(a->off, b->off, sizeof(a->off)) == 0 &&
		    memcmp(a->clear, b->clear, sizeof(a->clear)) == 0 &&
		    memcmp(a->rules_off, b->rules_off, sizeof(a->rules_off)) == 0;

	for (int d = 0; d < CHOPPY_NDIRS; d++) {
		uint32_t i = 0, k = 0;

		for (;; i++, k++) {
			while (i < a->rules.n && !(a->rules.rule[i].dirs & CHOPPY_DIR_BIT(d)))
				i++;
			while (k < b->rules.n && !(b->rules.rule[k].dirs & CHOPPY_DIR_BIT(d)))
				k++;
			if (i == a->rules.n || k == b->rules.n)
				break;
			same &= memcmp(a->rules.rule[i].match, b->rules.rule[k].match,
				       CHOPPY_MATCH_MAX) == 0 &&
				memcmp(&a->rules.rule[i].nth, &b->rules.rule[k].nth,
				       sizeof(struct choppy_list)) == 0 &&
				memcmp(&a->rules.rule[i].first, &b->rules.rule[k].first,
				       sizeof(struct choppy_amount)) == 0 &&
				a->rules.rule[i].off == b->rules.rule[k].off &&
				memcmp(&a->rules.rule[i].condition, &b->rules.rule[k].condition,
				       sizeof(struct choppy_condition)) == 0;
		}
		same &= i == a->rules.n && k == b->rules.n;
	}
	if (!same)
		fail_msg("another change: %s", text);
}

static void reads_back(const struct choppy_change *c, struct choppy_change *ret)
{
	static char text[BYTES_MAX], buf[BYTES_MAX];
	static const char *words[BYTES_MAX / 2 + 1];
	struct choppy_err err = { 0 };
	int n = choppy_change_print(text, sizeof(text), c);

	assert_int_equal(n, strlen(text));
	assert_true(n < BYTES_MAX);
	if (choppy_change_parse(ret, choppy_words_split(buf, words, text), words, true, &err) < 0)
		fail_msg("%s: %s", text, err.msg);
	same_change(c, ret, text);
}

static void test_changes_are_read_back(void **state)
{
	struct choppy_change *c = malloc(sizeof(*c)), *again = malloc(sizeof(*again));
	uint64_t seed = 2025;

	for (int i = 0; i < 20000; i++) {
		random_wish(c, &seed);
		reads_back(c, again);
	}
	free(c);
	free(again);
}

static void test_changes_in_words(void **state)
{
	static const struct {
		const char *words, *printed;
	} rows[] = {
		{ "loss 5%", "up loss 5% down loss 5%" },
		{ "up loss 5%", "up loss 5%" },
		{ "down loss off", "down loss off" },
		{ "loss off delay 5ms", "up loss off delay 5ms down loss off delay 5ms" },
		{ "clear", "up clear down clear" },
		{ "up clear delay 1ms down loss 1%", "up clear delay 1ms down loss 1%" },
		{ "match off", "up match off down match off" },
		{ "match off match tcp loss 1%",
		  "up match off match tcp loss 1% down match off match tcp loss 1%" },
		{ "down match 'tcp port 80' nth 3,7-9 first 5packets off",
		  "down match 'tcp port 80' nth 3,7-9 first 5packets off" },
		{ "match tcp loss 1% up match tcp off", "up match tcp off down match tcp loss 1%" },
		{ "up match \"it's\" loss 1%", "up match 'it'\\''s' loss 1%" },
		{ "up match tcp loss 1% match udp loss 2% down match udp loss 3% match tcp loss 4%",
		  "up match tcp loss 1% match udp loss 2% down match udp loss 3% match tcp loss "
		  "4%" },
	};
	struct choppy_change *c = malloc(sizeof(*c)), *again = malloc(sizeof(*again));

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct choppy_err err = { 0 };
		const char *words[64];
		char text[256], buf[256];
		int n;

		if (choppy_change_parse(c, choppy_words_split(buf, words, rows[i].words), words,
					true, &err) < 0)
			fail_msg("%s", err.msg);
		n = choppy_change_print(text, sizeof(text), c);
		assert_string_equal(text, rows[i].printed);
		reads_back(c, again);
		/* As snprintf(3), into any size. */
		for (size_t size = 0; size <= (size_t)n + 1; size++) {
			memset(text, '#', sizeof(text));
			assert_int_equal(choppy_change_print(size ? text : NULL, size, c), n);
			if (size) {
				assert_int_equal(strncmp(text, rows[i].printed, size - 1), 0);
				assert_int_equal(text[size - 1], '\0');
			}
			assert_int_equal(text[size], '#');
		}
	}
	memset(c, 0, sizeof(*c));
	assert_int_equal(choppy_change_print((char[4]){ 0 }, 4, c), 0);
	free(c);
	free(again);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_texts_are_read),
		cmocka_unit_test(test_numbers_and_truths_are_read),
		cmocka_unit_test(test_members),
		cmocka_unit_test(test_what_is_no_json),
		cmocka_unit_test(test_deep_json),
		cmocka_unit_test(test_a_message_arrives),
		cmocka_unit_test(test_messages_cut_anywhere),
		cmocka_unit_test(test_a_full_socket_loses_nothing),
		cmocka_unit_test(test_the_longest_message),
		cmocka_unit_test(test_a_message_that_never_ends_is_refused),
		cmocka_unit_test(test_descriptors_go_with_a_message),
		cmocka_unit_test(test_no_descriptor_is_left_open),
		cmocka_unit_test(test_a_message_in_the_making),
		cmocka_unit_test(test_a_lab_comes_back),
		cmocka_unit_test(test_sixteen_rules_of_two_directions_come_back),
		cmocka_unit_test(test_the_longest_texts_come_back),
		cmocka_unit_test(test_what_is_no_lab_is_refused),
		cmocka_unit_test(test_numbers_that_have_no_room_are_refused),
		cmocka_unit_test(test_changes_are_read_back),
		cmocka_unit_test(test_changes_in_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
