/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Matrices of delays: what links make of them, to the nanosecond, and what cannot be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "latencyfile.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS 1000000ull
#define NONE LATENCY_NONE

struct told {
	char text[65536];
	int n;
};

static void tell(void *ctx, const char *text)
{
	struct told *t = ctx;
	size_t n = strlen(t->text);

	snprintf(t->text + n, sizeof(t->text) - n, "%s\n", text);
	t->n++;
}

/* As `-` or, when it has one, what the place of the cell is called. */
static void tell_cell(void *ctx, const void *at, const char *text)
{
	char line[1024];

	snprintf(line, sizeof(line), "%s: %s", at ? (const char *)at : "-", text);
	tell(ctx, line);
}

static struct latency *new_matrix(uint32_t n, uint32_t nodes)
{
	static char names[LATENCY_GROUPS_MAX][16];
	struct latency *l = malloc(sizeof(*l));

	assert_non_null(l);
	latency_init(l);
	for (l->n = 0; l->n < n; l->n++) {
		snprintf(names[l->n], sizeof(names[0]), "g%u", l->n);
		l->name[l->n] = names[l->n];
		l->nodes[l->n] = nodes;
	}
	return l;
}

static void set(struct latency *l, uint32_t from, uint32_t to, uint64_t ns)
{
	l->ns[from][to] = ns;
	l->at[from][to] = "cell";
	l->row_at[from] = "row";
}

/* ------------------------------------------------------------------ random */

/* xorshift64 (Marsaglia, 2003), for a sequence that is the same everywhere. */
static uint64_t draw(uint64_t *state, uint64_t below)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state % below;
}

enum how { BOTH_WAYS, UPPER, LOWER, MIXED, NHOW };

static bool leaves_out(enum how how, uint32_t a, uint32_t b, uint64_t *seed)
{
	return how == UPPER ? a > b : how == LOWER ? a < b : how == MIXED && draw(seed, 2) && a < b;
}

/* Inside a group up to @inside; between two of them at least that, so that the rest fits. */
static void fill(struct latency *l, enum how how, uint64_t inside, uint64_t *seed)
{
	uint64_t factor = l->rtt ? 2 : 1;

	for (uint32_t a = 0; a < l->n; a++)
		for (uint32_t b = 0; b < l->n; b++)
			if (a == b)
				set(l, a, a, factor * draw(seed, inside + 1));
			else if (!leaves_out(how, a, b, seed))
				set(l, a, b, factor * (inside + 1) + draw(seed, 100 * MS));
}

/* A way's delay as the manual page has it, without what latency.c computes. */
static uint64_t wanted(const struct latency *l, uint32_t a, uint32_t b)
{
	uint64_t cell = l->ns[a][b] != NONE ? l->ns[a][b] : l->ns[b][a];

	if (!l->rtt)
		return cell;
	return a < b ? cell - cell / 2 : cell / 2;
}

static void check_sums(const struct latency *l, const struct latency_links *links)
{
	for (uint32_t a = 0; a < l->n; a++) {
		assert_int_equal(links->up[a] + links->down[a], wanted(l, a, a));
		assert_in_range(links->up[a] - links->down[a], 0, 1);
		for (uint32_t b = 0; b < l->n; b++)
			if (a != b)
				assert_int_equal(links->up[a] + links->core[a][b] + links->down[b],
						 wanted(l, a, b));
	}
}

/* There and back is the round trip that was given, where it was given once. */
static void check_round_trips(const struct latency *l, const struct latency_links *links)
{
	for (uint32_t a = 0; a < l->n; a++)
		for (uint32_t b = 0; b < l->n; b++) {
			uint64_t there = links->up[a] + links->core[a][b] + links->down[b];
			uint64_t back = links->up[b] + links->core[b][a] + links->down[a];

			if (a == b)
				assert_int_equal(2 * (links->up[a] + links->down[a]), l->ns[a][a]);
			else if (l->ns[a][b] != NONE &&
				 (l->ns[b][a] == NONE || l->ns[b][a] == l->ns[a][b]))
				assert_int_equal(there + back, l->ns[a][b]);
		}
}

static void sums_are_exact(void **state)
{
	static const uint64_t inside[] = { 0, 1, 2, 3, 1001, MS };
	struct latency_links *links = malloc(sizeof(*links));
	uint64_t seed = 20240229;

	assert_non_null(links);
	for (int round = 0; round < 2000; round++) {
		uint32_t n = round % 500 ? 1 + (uint32_t)draw(&seed, 8) : LATENCY_GROUPS_MAX;
		struct latency *l = new_matrix(n, 3);
		struct told told = { 0 };

		l->rtt = draw(&seed, 2);
		fill(l, (enum how)draw(&seed, NHOW), inside[draw(&seed, 6)], &seed);
		if (latency_links(links, l, tell_cell, &told) < 0)
			fail_msg("%s", told.text);
		check_sums(l, links);
		if (l->rtt)
			check_round_trips(l, links);
		free(l);
	}
	free(links);
}

/* ------------------------------------------------------------------- rules */

static void odd_nanoseconds_have_a_place(void **state)
{
	struct latency *l = new_matrix(2, 2);
	struct told told = { 0 };
	struct latency_links links;

	set(l, 0, 0, 5);
	set(l, 1, 1, 0);
	set(l, 0, 1, 11);
	assert_int_equal(latency_links(&links, l, tell_cell, &told), 0);
	assert_int_equal(links.up[0], 3); /* the rest of a half is on the way up */
	assert_int_equal(links.down[0], 2);
	assert_int_equal(links.core[0][1], 8);
	assert_int_equal(links.core[1][0], 9);
	l->rtt = true;
	set(l, 0, 0, 6);
	set(l, 0, 1, 21);
	assert_int_equal(latency_links(&links, l, tell_cell, &told), 0);
	assert_int_equal(links.up[0], 2);
	assert_int_equal(links.down[0], 1);
	assert_int_equal(links.core[0][1], 11 - 2); /* and of a round trip on the first's way */
	assert_int_equal(links.core[1][0], 10 - 1);
	/* Both ways measured: each has the half of its own. */
	set(l, 1, 0, 30);
	assert_int_equal(latency_links(&links, l, tell_cell, &told), 0);
	assert_int_equal(links.core[0][1], 11 - 2);
	assert_int_equal(links.core[1][0], 15 - 1);
	free(l);
}

static void a_single_node_needs_no_cell_of_its_own(void **state)
{
	struct latency *l = new_matrix(2, 1);
	struct told told = { 0 };
	struct latency_links links;

	set(l, 1, 0, 7);
	assert_int_equal(latency_links(&links, l, tell_cell, &told), 0);
	assert_int_equal(links.up[0] + links.down[1], 0);
	assert_int_equal(links.core[0][1], 7);
	l->n = 1; /* and alone not even a matrix */
	assert_int_equal(latency_links(&links, l, tell_cell, &told), 0);
	free(l);
}

static void what_cannot_be(void **state)
{
	static const struct {
		bool rtt;
		uint64_t ns[3][3];
		int n; /* of problems */
		const char *says;
	} bad[] = {
		{ false,
		  { { NONE, 9, 9 }, { NONE, 1, 9 }, { NONE, NONE, 1 } },
		  1,
		  "row: the delay within group g0 is missing, and it has 2 nodes: from g0 to g0" },
		{ false,
		  { { 1, NONE, 9 }, { NONE, 1, 9 }, { NONE, NONE, 1 } },
		  1,
		  "row: the delay between g0 and g1 is missing: from g0 to g1, or back" },
		{ false,
		  { { 1, 9, NONE }, { 9, 1, NONE }, { NONE, NONE, NONE } },
		  2,
		  "-: the matrix does not say how far group g2 is from others" },
		{ false,
		  { { 9, 6, 20 }, { 30, 4, 20 }, { NONE, NONE, 1 } },
		  1,
		  "cell: from g0 to g1 6ns is too short: 5ns of it is within g0, and 2ns within "
		  "g1: at least 7ns\n" },
		/* One cell, both ways too short. */
		{ false,
		  { { 9, 3, 20 }, { NONE, 4, 20 }, { NONE, NONE, 1 } },
		  1,
		  "cell: from g0 to g1 3ns is too short" },
		/* One cell, too short on the way back alone. */
		{ false,
		  { { 4, 6, 20 }, { NONE, 9, 20 }, { NONE, NONE, 1 } },
		  1,
		  "cell: from g1 to g0 6ns is too short" },
		{ true, { { 4, 5, 20 }, { 6, 4, 20 }, { NONE, NONE, 2 } }, 0, "" },
		{ true, { { 8, 7, 20 }, { 7, 4, 20 }, { NONE, NONE, 2 } }, 0, "" },
		{ true,
		  { { 8, 3, 20 }, { NONE, 4, 20 }, { NONE, NONE, 2 } },
		  1,
		  "at least 3ns one way\n" },
		{ true,
		  { { 7, 30, 20 }, { NONE, 4, 20 }, { NONE, NONE, 2 } },
		  1,
		  "cell: a round trip within a group takes as long each way, and 7ns is odd" },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct latency *l = new_matrix(3, 2);
		struct told told = { 0 };
		struct latency_links links;
		int r;

		l->rtt = bad[i].rtt;
		for (uint32_t a = 0; a < 3; a++)
			for (uint32_t b = 0; b < 3; b++)
				if (bad[i].ns[a][b] != NONE)
					set(l, a, b, bad[i].ns[a][b]);
		r = latency_links(&links, l, tell_cell, &told);
		if (r != (bad[i].n ? -EINVAL : 0) || told.n != bad[i].n ||
		    !strstr(told.text, bad[i].says))
			fail_msg("%zu: %d, %d problems:\n%s", i, r, told.n, told.text);
		free(l);
	}
}

/* --------------------------------------------------------------------- CSV */

static int read_csv(struct latency *l, const char *text, struct told *told)
{
	const struct textfile t = { "f", text, strlen(text) };
	struct problems p = { .tell = tell, .ctx = told };
	int r = latency_read(l, &t, &p);

	assert_int_equal(p.n, told->n);
	return r;
}

static struct latency *three(void)
{
	struct latency *l = new_matrix(3, 2);

	l->name[0] = "eu";
	l->name[1] = "us";
	l->name[2] = "ap-1";
	return l;
}

static void tables(void **state)
{
	static const struct {
		const char *text;
		uint64_t ns[3][3];
	} good[] = {
		{ "from,eu,us,ap-1\neu,0.5ms,40ms,90ms\nus,,500us,75ms\nap-1,-,,1ns\n",
		  { { MS / 2, 40 * MS, 90 * MS }, { NONE, MS / 2, 75 * MS }, { NONE, NONE, 1 } } },
		{ ",eu,us\neu,1ms,2ms",
		  { { MS, 2 * MS, NONE }, { NONE, NONE, NONE }, { NONE, NONE, NONE } } },
		/* Ragged below the diagonal, in another order, with remarks. */
		{ "# made up\n\nrtt (ms), us, eu, ap-1 # all\r\n us , 1\r\n eu, "
		  "80.000001,1\r\nap-1,150,180,.5\r\n",
		  { { MS, 80 * MS + 1, NONE },
		    { NONE, MS, NONE },
		    { 180 * MS, 150 * MS, MS / 2 } } },
		{ "delay_us,ap-1\nap-1,7\nus,\neu,\n",
		  { { NONE, NONE, NONE }, { NONE, NONE, NONE }, { NONE, NONE, 7000 } } },
		{ "(s),us\nap-1,1\n",
		  { { NONE, NONE, NONE }, { NONE, NONE, NONE }, { NONE, 1000 * MS, NONE } } },
		/* What is no unit is only a text. */
		{ "from_to,us\nap-1,1s\n",
		  { { NONE, NONE, NONE }, { NONE, NONE, NONE }, { NONE, 1000 * MS, NONE } } },
	};

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		struct latency *l = three();
		struct told told = { 0 };

		if (read_csv(l, good[i].text, &told) < 0)
			fail_msg("%s\n%s", good[i].text, told.text);
		for (uint32_t a = 0; a < 3; a++)
			for (uint32_t b = 0; b < 3; b++)
				if (l->ns[a][b] != good[i].ns[a][b])
					fail_msg("%s%u, %u: %" PRIu64, good[i].text, a, b,
						 l->ns[a][b]);
		free(l);
	}
}

static void bad_tables(void **state)
{
	static const struct {
		const char *text;
		int n; /* of problems */
		const char *says[3];
	} bad[] = {
		{ "",
		  1,
		  { "f:1:1: there is nothing: the first line names the groups: from,eu,us\n" } },
		{ "# only this\n", 1, { "f:2:1: there is nothing" } },
		{ "\xef\xbb\xbf,eu\neu,1ms\n", 1, { "f:1:1: a byte order mark" } },
		{ "from;eu;us\neu;1ms;40ms\n",
		  1,
		  { "f:1:11: the first line names the groups: from,eu,us\n  from;eu;us\n           "
		    " ^" } },
		{ "from,eu,usa\neu,1ms,40ms\nusa,,1ms\nmars,1ms\n",
		  3,
		  { "f:1:9: there is no group 'usa'; is it 'us'?", "f:3:1: there is no group 'usa'",
		    "f:4:1: there is no group 'mars'\n  mars,1ms\n  ^" } },
		{ "from,eu,us,eu\neu,1ms,2ms,3ms\n",
		  1,
		  { "f:1:12: group eu has a column already" } },
		{ "from,eu\neu,1ms\neu,2ms\n", 1, { "f:3:1: group eu has a row already" } },
		{ "from,eu,us\neu,1ms,2ms,3ms\nus,1ms,1ms,\n",
		  2,
		  { "f:2:12: one cell too many: the first line names 2 groups",
		    "f:3:12: one cell" } },
		{ "from,eu,us\neu,1,40\nus,,1\n",
		  1,
		  { "f:2:4: 1 has no unit: 1ms, or in the first cell for all of them: from "
		    "(ms)\n" } },
		{ "from (ms),eu,us\neu,1ms,40\nus,fast,1\n",
		  2,
		  { "f:2:4: '1ms': the first cell gives the unit (ms), here a bare number is due",
		    "f:3:4: 'fast': the first cell" } },
		{ "from_5ms,eu\neu,1\n", 1, { "f:2:4: 1 has no unit" } },
		{ "from,eu,us\neu,-1ms,1e3ms\nus,5parsec,2h\n",
		  4,
		  { "f:2:4: delay cannot be negative", "f:2:9: delay takes no exponent",
		    "f:3:4: delay has no unit 'parsec'" } },
		{ "(ms),eu,us\neu,-1,3600001\nus,0.0000001\n",
		  3,
		  { "f:2:4: delay cannot be negative",
		    "f:2:7: delay 3600001ms is out of range: 0ns to 3600s",
		    "f:3:4: delay 0.0000001ms is finer than 1ns" } },
		{ "from,\neu,1ms\n", 1, { "f:1:6: there is no group '\"\"'" } },
		{ "from,eu\n,1ms\n", 1, { "f:2:1: there is no group '\"\"'" } },
		{ "from,eu\neu,1ms\n\x1b[2J,2ms\n",
		  1,
		  { "f:3:1: there is no group '?[2J'\n   [2J,2ms\n" } },
		{ "from,eu\n0123456789012345678901234567890123456789012345678901234567890123,1ms\n",
		  1,
		  { "f:2:1: a cell of 64 characters: none has more than 63" } },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct latency *l = three();
		struct told told = { 0 };
		int r = read_csv(l, bad[i].text, &told);

		if (r != -EINVAL || told.n != bad[i].n)
			fail_msg("'%s': %d, %d problems:\n%s", bad[i].text, r, told.n, told.text);
		for (int k = 0; k < 3 && bad[i].says[k]; k++)
			if (!strstr(told.text, bad[i].says[k]))
				fail_msg("'%s' does not say '%s' but\n%s", bad[i].text,
					 bad[i].says[k], told.text);
		free(l);
	}
}

static void a_round_trip_may_take_twice_as_long(void **state)
{
	struct latency *l = three();
	struct told told = { 0 };

	l->rtt = true;
	assert_int_equal(read_csv(l, "(s),us\neu,7200\nus,7201\n", &told), -EINVAL);
	assert_int_equal(told.n, 1);
	assert_non_null(strstr(told.text, "f:3:4: round trip 7201s is out of range: 0ns to 7200s"));
	free(l);
}

static void columns_have_an_end(void **state)
{
	struct latency *l = three();
	struct told told = { 0 };
	char text[1024] = "from", *p = text + 4;

	for (int i = 0; i <= LATENCY_GROUPS_MAX; i++)
		p += snprintf(p, 8, ",c%d", i);
	assert_int_equal(read_csv(l, text, &told), -EINVAL);
	assert_int_equal(told.n, LATENCY_GROUPS_MAX + 1);
	assert_non_null(strstr(told.text, "one column too many: there are at most 64 groups"));
	free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sums_are_exact),
		cmocka_unit_test(odd_nanoseconds_have_a_place),
		cmocka_unit_test(a_single_node_needs_no_cell_of_its_own),
		cmocka_unit_test(what_cannot_be),
		cmocka_unit_test(tables),
		cmocka_unit_test(bad_tables),
		cmocka_unit_test(a_round_trip_may_take_twice_as_long),
		cmocka_unit_test(columns_have_an_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
