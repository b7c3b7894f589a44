/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_verdict.c - any bytes as lines of verdicts, and as a file of them. What is read must print
 * as a line that is read as the same; what is refused has a place in the line and words to show.
 */
#include "fuzz.h"
#include "verdict.h"
#include "verdictfile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void check_shown(const char *text)
{
	CHECK(*text);
	for (; *text; text++)
		CHECK((unsigned char)*text >= 0x20);
}

static void check_line(const char *line)
{
	char flow[FLOW_LABEL_MAX], again_flow[FLOW_LABEL_MAX], text[VERDICT_LINE_MAX];
	struct verdict_error err = { 0 };
	struct verdict v, again;
	int n, r = verdict_parse(&v, flow, line, &err);

	if (r < 0) {
		CHECK(err.column >= 1 && err.column <= strlen(line) + 1);
		check_shown(err.why);
	}
	if (r)
		return;
	CHECK(v.kind < VERDICT_NKINDS && v.dir < CHOPPY_NDIRS && (v.packet || v.in_flow));
	n = verdict_print(text, &v, flow);
	CHECK(n == (int)strlen(text) && n < VERDICT_LINE_MAX && text[n - 1] == '\n');
	text[n - 1] = '\0';
	CHECK(verdict_parse(&again, again_flow, text, &err) == 0);
	CHECK(memcmp(&v, &again, sizeof(v)) == 0 && strcmp(flow, again_flow) == 0);
}

static void check_lines(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), *next;

	memcpy(text, data, size);
	text[size] = '\0';
	for (char *line = text; line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		check_line(line);
	}
	free(text);
}

/* Whoever asks in order about the packets of a file that was accepted gets all its verdicts. */
static void check_replay(const struct verdict *v, size_t n, bool by_flow)
{
	size_t found = 0;

	for (size_t i = 0; i < n; i += found) {
		const struct verdict *first;
		struct replay r;

		replay_begin(&r, v, n, v[i].link, v[i].dir, by_flow);
		found = replay_find(&r, &v[i], &first);
		CHECK(found && first == &v[i]);
	}
}

static void check_file(int fd, bool by_flow)
{
	struct choppy_err err;
	struct verdict *v = NULL;
	char path[32];
	size_t n = 0;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (verdicts_load(path, by_flow, &v, &n, &err) < 0) {
		CHECK(!v && !n && strncmp(err.msg, path, strlen(path)) == 0);
		check_shown(err.msg);
	}
	check_replay(v, n, by_flow);
	free(v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char first[] = VERDICT_FIRST_LINE "\n";
	int fd;

	check_lines(data, size);
	fd = memfd_create("verdicts", 0);
	CHECK(fd >= 0);
	if (size && data[0] != '#')
		CHECK(write(fd, first, sizeof(first) - 1) == sizeof(first) - 1);
	CHECK(write(fd, data, size) == (ssize_t)size);
	check_file(fd, false);
	check_file(fd, true);
	close(fd);
	return 0;
}
