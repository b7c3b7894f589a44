/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any condition that the parser takes, over any frames: a line of words, then frames, each a
 * virtio header, a length of two bytes, and its bytes. Packets in are packets out, dropped, or
 * waiting; nothing waits for ever; no memory is lost.
 */
#include "../heap_pool.h"
#include "choppy.h"
#include "filter.h"
#include "frames.h"
#include "pipe.h"

#include <stdlib.h>
#include <string.h>

#define FRAMES_MAX 64
#define WORDS_MAX 64

/* Split @line at blanks; an apostrophe holds words together. */
static int split(char *line, const char *word[WORDS_MAX])
{
	int n = 0;

	while (*line && n < WORDS_MAX) {
		char *end;

		line += strspn(line, " ");
		if (!*line)
			break;
		end = *line == '\'' ? strchr(++line, '\'') : strchr(line, ' ');
		word[n++] = line;
		if (!end)
			break;
		*end = '\0';
		line = end + 1;
	}
	return n;
}

static void send_all(struct pipe *pipe, struct run_list *out, uint64_t now_ns)
{
	pipe_replies(pipe, out);
	while (out->head) {
		struct run *run = run_list_take(out);
		const struct frame *f = run->frame;

		CHECK(run->count && run->first + run->count <= f->units);
		CHECK(run->due_ns <= now_ns);
		if (run->count < f->units || run->flags & FRAME_CE) {
			struct frame_head head;
			uint32_t at, len;

			frame_cut(f, run->first, run->count, run->flags & FRAME_CE, &head, &at,
				  &len);
			CHECK(at + len <= f->len);
		}
		pipe_sent(pipe, run, now_ns);
	}
}

static void on_verdict(void *ctx, const struct verdict *v, const char *flow)
{
	char line[VERDICT_LINE_MAX], *end;
	struct verdict again;
	struct verdict_error err;

	CHECK(verdict_print(line, v, flow) < VERDICT_LINE_MAX);
	end = strchr(line, '\n');
	CHECK(end);
	*end = '\0';
	CHECK(verdict_parse(&again, NULL, line, &err) == 0);
}

static void feed(struct pipe *pipe, struct pool *pool, const uint8_t *data, size_t size)
{
	struct choppy_counters c;
	struct run_list out;
	struct frame *f;
	uint64_t now_ns = 0, sum;

	run_list_init(&out);
	for (int i = 0; i < FRAMES_MAX && (f = next_frame(pool, &data, &size)); i++) {
		frame_parse(f);
		f->at_ns = now_ns;
		pipe_input(pipe, f, now_ns, &out);
		pool_settle(pool);
		send_all(pipe, &out, now_ns);
		now_ns += 10000;
		pipe_run(pipe, now_ns, now_ns, &out);
		send_all(pipe, &out, now_ns);
	}
	for (int i = 0; pipe_next(pipe) != PIPE_NEVER; i++) {
		CHECK(i < 1000000);
		now_ns = pipe_next(pipe) > now_ns ? pipe_next(pipe) : now_ns + 1;
		pipe_run(pipe, now_ns, now_ns, &out);
		send_all(pipe, &out, now_ns);
	}
	pipe_counters(pipe, &c, NULL);
	sum = c.delivered;
	for (int i = 0; i < CHOPPY_NDROPS; i++)
		sum += c.dropped[i];
	CHECK(c.waiting == 0 && sum == c.packets);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct choppy_condition dir[CHOPPY_NDIRS];
	static struct choppy_rules rules;
	struct chain_rule rule[LINK_RULES_MAX] = { { 0 } };
	struct pipe_plan plan = { .condition = &dir[CHOPPY_UP], .rules = rule };
	const struct pipe_log log = { .verdict = on_verdict };
	const uint8_t *end = memchr(data, '\n', size < 512 ? size : 512);
	const char *word[WORDS_MAX];
	struct match_insn *insns[LINK_RULES_MAX] = { NULL };
	struct run_list out;
	struct pool pool;
	struct pipe *pipe;
	char text[513];
	bool good;

	if (!end || memchr(data, '/', (size_t)(end - data)) ||
	    memchr(data, '.', (size_t)(end - data)))
		return 0; /* no files, no names */
	memcpy(text, data, (size_t)(end - data));
	text[end - data] = '\0';
	if (choppy_condition_parse(dir, &rules, split(text, word), word, NULL) < 0 ||
	    dir[0].set & (CHOPPY_FIELD_BIT(CHOPPY_TRACE) | CHOPPY_FIELD_BIT(CHOPPY_DISTRIBUTION) |
			  CHOPPY_FIELD_BIT(CHOPPY_SLOT_DISTRIBUTION)))
		return 0;
	good = true;
	for (uint32_t i = 0; i < rules.n && good; i++) {
		struct chain_rule *r = &rule[plan.nrules++];

		r->rule = &rules.rule[i];
		good = filter_compile(rules.rule[i].match, &insns[i], &r->ninsns, NULL) == 0;
		r->insns = insns[i];
	}
	heap_pool_init(&pool, 64u << 20);
	run_list_init(&out);
	pipe = pipe_new(&pool, 1, 0, CHOPPY_UP);
	CHECK(pipe && pipe_condition_sound(&dir[0]));
	CHECK(pipe_log_to(pipe, &log, 0, 64) == 0);
	if (good && pipe_set(pipe, &plan, 0, &out) == 0)
		feed(pipe, &pool, end + 1, size - (size_t)(end + 1 - data));
	pipe_free(pipe);
	pool_done(&pool);
	for (uint32_t i = 0; i < rules.n; i++)
		free(insns[i]);
	return 0;
}
