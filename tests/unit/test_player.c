/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When what of a timeline is played, in which order, and how late it is said to be: whatever the
 * moments at which the keeper wakes up. Nothing is done here to any lab: the player's three ways to
 * do something are replaced by ones that write it down.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define act_do note_do
#define act_end note_end
#define act_ramp note_ramp
#include "player.c"

#include "value.h"

#define MS 1000000ull
#define SEC (1000 * MS)
#define START (1000 * SEC) /* of the lab, by the clock */
#define LINES 8

/* ------------------------------------------------------------------- notes */

/* What was done, a word each: "+NAME" and "-NAME" where that ends. */
static struct {
	char text[1 << 16];
	struct text log;
	const char *fails; /* the mark that cannot be set */
	uint64_t drawn; /* by all that was begun */
	uint64_t next_fault;
	char fault[4096][8]; /* the name of each */
	uint32_t nramps;
	uint64_t ramp_elapsed, ramp_over; /* the last step */
} notes;

/* Actions here are told apart by the number of a node: pause n7; or by the name of a mark. */
static void name_of(const struct action *a, char ret[8])
{
	if (a->verb == VERB_MARK)
		snprintf(ret, 8, "%s", a->text);
	else if (a->verb == VERB_RAMP)
		snprintf(ret, 8, "r%u", a->ways[0].link);
	else
		snprintf(ret, 8, "%u", a->groups[0].v[0]);
}

int note_do(struct lab *lab, const struct action *a, struct rng *rng, bool lasting,
	    uint64_t *ret_fault, FILE *done, struct choppy_err *err)
{
	char name[8];

	name_of(a, name);
	*ret_fault = 0;
	text_add(&notes.log, " +%s", name);
	notes.drawn = notes.drawn * 31 + rng_next(rng);
	if (notes.fails && strcmp(notes.fails, name) == 0)
		return err_set(err, -EIO, "it cannot be");
	fprintf(done, "done %s\n", name);
	if (!lasting) {
		*ret_fault = ++notes.next_fault;
		assert_true(notes.next_fault < 4096);
		strcpy(notes.fault[notes.next_fault], name);
	}
	return 0;
}

int note_end(struct lab *lab, uint64_t fault, struct choppy_err *err)
{
	assert_true(fault && fault <= notes.next_fault);
	text_add(&notes.log, " -%s", notes.fault[fault]);
	return 0;
}

int note_ramp(struct lab *lab, const struct action *a, uint64_t fault, uint64_t elapsed_ns,
	      uint64_t over_ns, struct choppy_err *err)
{
	char name[8];

	name_of(a, name);
	assert_true(elapsed_ns <= over_ns);
	notes.nramps++;
	notes.ramp_elapsed = elapsed_ns;
	notes.ramp_over = over_ns;
	if (elapsed_ns == over_ns)
		text_add(&notes.log, " -%s", name);
	return 0;
}

/* ------------------------------------------------------------------ set-up */

struct fixture {
	struct topology t;
	struct timeline timeline;
	struct play play;
	struct lab *lab;
};

static void add_line(struct fixture *x, const char *line)
{
	char when[64], *copy = strdup(strchr(line, ':') + 1), *save;
	struct choppy_err err = { 0 };
	struct event e = { 0 };

	snprintf(when, sizeof(when), "%.*s", (int)(strchr(line, ':') - line), line);
	if (when_parse(&e.when, when, false, &err) < 0)
		fail_msg("%s: %s", when, err.msg);
	for (char *one = strtok_r(copy, ";", &save); one; one = strtok_r(NULL, ";", &save)) {
		const char *words[16];
		char buf[64];
		struct action a;

		one += strspn(one, " ");
		if (action_parse(&a, &x->t, choppy_words_split(buf, words, one), words, &err) < 0 ||
		    event_check(&e.when, &a, &err) < 0)
			fail_msg("%s: %s", one, err.msg);
		assert_int_equal(event_add(&e, &a, one), 0);
	}
	assert_int_equal(timeline_add_event(&x->timeline, &e), 0);
	free(copy);
}

/* Nodes n0 to n9, on a switch. */
static void begin_lab(struct fixture *x)
{
	uint32_t n, s, l;
	char name[16];

	memset(x, 0, sizeof(*x));
	for (int i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		assert_int_equal(topology_add_node(&x->t, name, NODE_HOST, &n, NULL), 0);
	}
	assert_int_equal(topology_add_node(&x->t, "s", NODE_SWITCH, &s, NULL), 0);
	for (n = 0; n < s; n++)
		assert_int_equal(topology_add_link(&x->t, NULL, n, s, &l, NULL), 0);
}

static void begin_play(struct fixture *x)
{
	x->lab = calloc(1, sizeof(*x->lab));
	assert_non_null(x->lab);
	x->play = (struct play){ .lab = x->lab,
				 .timeline = &x->timeline,
				 .start_ns = START,
				 .first_packet_ns = PLAY_NEVER };
	x->play.cursors = calloc(x->timeline.nevents + 1, sizeof(*x->play.cursors));
	for (uint32_t i = 0; i < x->timeline.nevents; i++)
		rng_init(&x->play.cursors[i].rng,
			 &(struct rng_key){ .seed = 7, .link = i, .purpose = "t" });
	memset(&notes, 0, sizeof(notes));
	notes.log = text_begin(notes.text, sizeof(notes.text));
}

static void end_play(struct fixture *x)
{
	for (uint32_t i = 0; i < x->play.nsteps; i++) {
		free(x->play.steps[i].done);
		free(x->play.steps[i].error);
	}
	free(x->play.steps);
	free(x->play.running);
	free(x->play.cursors);
	free(x->lab);
}

static void end_lab(struct fixture *x)
{
	timeline_free(&x->timeline);
	topology_free(&x->t);
}

static void start(struct fixture *x, const char *const *lines)
{
	begin_lab(x);
	for (; *lines; lines++)
		add_line(x, *lines);
	begin_play(x);
}

static void done(struct fixture *x)
{
	end_play(x);
	end_lab(x);
}

static void mark(struct fixture *x, const char *name, uint64_t at_ns)
{
	struct mark *m = &x->play.marks[x->play.nmarks++];

	snprintf(m->name, sizeof(m->name), "%s", name);
	m->at_ns = at_ns;
}

/* The keeper wakes up when something is due. */
static void wake_up_until(struct fixture *x, uint64_t end_ns)
{
	for (uint64_t due; (due = player_due(&x->play)) <= end_ns;) {
		player_go_on(&x->play, due);
		assert_true(player_due(&x->play) > due);
	}
}

/* ------------------------------------------------------------------- order */

static void test_each_at_its_time(void **state)
{
	static const char *const lines[] = { "at 5s: mark a", "at 1s: mark b; mark c",
					     "from 2s to 4s: pause n2", "every 3s: mark d", NULL };
	static const struct {
		uint64_t due_ns;
		const char *action;
		bool end;
	} steps[] = {
		{ SEC, "mark b", false },	{ SEC, "mark c", false },
		{ 2 * SEC, "pause n2", false }, { 3 * SEC, "mark d", false },
		{ 4 * SEC, "pause n2", true },	{ 5 * SEC, "mark a", false },
		{ 6 * SEC, "mark d", false },
	};
	struct fixture x;

	start(&x, lines);
	assert_true(player_due(&x.play) == START + SEC);
	player_go_on(&x.play, START + SEC - 1);
	assert_int_equal(x.play.nsteps, 0);
	wake_up_until(&x, START + 6 * SEC);
	assert_int_equal(x.play.nsteps, ARRAY_SIZE(steps));
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		const struct step *s = &x.play.steps[i];

		assert_true(s->due_ns == steps[i].due_ns);
		assert_int_equal(s->late_ns, 0);
		assert_string_equal(s->action, steps[i].action);
		assert_int_equal(s->end, steps[i].end);
		assert_null(s->error);
		assert_true(s->end ? !s->done : strncmp(s->done, "done ", 5) == 0);
	}
	assert_string_equal(notes.text, " +b +c +2 +d -2 +a +d");
	assert_true(player_due(&x.play) == START + 9 * SEC);
	assert_true(player_waits(&x.play));
	done(&x);
}

static void test_what_was_missed_is_done_late(void **state)
{
	static const char *const lines[] = { "at 5s: mark a", "from 2s to 4s: pause n2",
					     "at 7s: mark b", NULL };
	struct fixture x;

	start(&x, lines);
	player_go_on(&x.play, START + 6 * SEC);
	assert_string_equal(notes.text, " +2 -2 +a");
	assert_true(x.play.steps[0].late_ns == 4 * SEC);
	assert_true(x.play.steps[1].late_ns == 2 * SEC && x.play.steps[1].due_ns == 4 * SEC);
	assert_true(x.play.steps[2].late_ns == SEC && x.play.steps[2].due_ns == 5 * SEC);
	assert_true(player_waits(&x.play));
	player_go_on(&x.play, START + 7 * SEC);
	assert_int_equal(x.play.steps[3].late_ns, 0);
	assert_false(player_waits(&x.play));
	assert_true(player_due(&x.play) == PLAY_NEVER);
	done(&x);
}

/* What ends and what begins at one moment: ends first, each in the order of the lines. */
static void test_ends_stand_before_begins_in_the_order_of_the_file(void **state)
{
	static const char *const lines[] = { "at 9s: mark a",
					     "from 3s to 9s: pause n1",
					     "from 1s to 9s: pause n2",
					     "from 2s to 9s: pause n3; pause n4",
					     "from 1s to 9s: pause n5",
					     "at 9s: mark b",
					     NULL };
	struct fixture x;

	start(&x, lines);
	wake_up_until(&x, START + 9 * SEC);
	assert_string_equal(notes.text, " +2 +5 +3 +4 +1 -1 -2 -3 -4 -5 +a +b");
	assert_false(player_waits(&x.play));
	done(&x);
}

/* ------------------------------------------------------------------- marks */

static void test_marks_and_the_first_packet(void **state)
{
	static const char *const lines[] = { "at 1s after go: mark a",
					     "at 2s after first packet: mark b",
					     "from 1s to 2s after go: pause n1", NULL };
	struct fixture x;

	start(&x, lines);
	assert_true(player_due(&x.play) == PLAY_NEVER);
	assert_true(player_waits(&x.play));
	player_go_on(&x.play, START + 100 * SEC);
	assert_int_equal(x.play.nsteps, 0);
	mark(&x, "other", START + 100 * SEC);
	assert_true(player_due(&x.play) == PLAY_NEVER);
	mark(&x, "go", START + 100 * SEC);
	assert_true(player_due(&x.play) == START + 101 * SEC);
	wake_up_until(&x, START + 101 * SEC);
	assert_true(player_due(&x.play) == START + 102 * SEC);
	x.play.first_packet_ns = START + 50 * SEC;
	assert_true(player_due(&x.play) == START + 52 * SEC);
	player_go_on(&x.play, START + 101 * SEC + 1);
	assert_string_equal(notes.text, " +a +1 +b");
	assert_true(x.play.steps[2].due_ns == 52 * SEC);
	assert_true(x.play.steps[2].late_ns == 49 * SEC + 1);
	wake_up_until(&x, START + 200 * SEC);
	assert_string_equal(notes.text, " +a +1 +b -1");
	assert_false(player_waits(&x.play));
	done(&x);
}

/* ---------------------------------------------------------------- failures */

static void test_what_fails_does_not_end(void **state)
{
	static const char *const lines[] = { "from 1s to 3s: pause n1; pause n2; pause n3",
					     "every 2s: mark a", NULL };
	struct fixture x;

	start(&x, lines);
	notes.fails = "2";
	wake_up_until(&x, START + 4 * SEC);
	assert_string_equal(notes.text, " +1 +2 +3 +a -1 -3 +a");
	assert_string_equal(x.play.steps[1].error, "it cannot be");
	assert_string_equal(x.play.steps[1].done, "");
	assert_null(x.play.steps[2].error);
	done(&x);
}

/* ------------------------------------------------------------------- ramps */

static void test_a_ramp_goes_step_by_step(void **state)
{
	static const char *const lines[] = { "at 1s: ramp n0 loss 0% to 10% over 1050ms", NULL };
	struct fixture x;

	start(&x, lines);
	wake_up_until(&x, START + SEC);
	assert_int_equal(notes.nramps, 0);
	for (uint32_t i = 1; i <= 10; i++) {
		assert_true(player_due(&x.play) == START + SEC + i * 100 * MS);
		wake_up_until(&x, START + SEC + i * 100 * MS);
		assert_int_equal(notes.nramps, i);
		assert_true(notes.ramp_elapsed == i * 100 * MS && notes.ramp_over == 1050 * MS);
	}
	assert_true(player_waits(&x.play));
	wake_up_until(&x, START + 10 * SEC);
	assert_int_equal(notes.nramps, 11);
	assert_true(notes.ramp_elapsed == 1050 * MS);
	assert_string_equal(notes.text, " +r0 -r0");
	assert_int_equal(x.play.nsteps, 2);
	assert_true(x.play.steps[1].end && x.play.steps[1].due_ns == 2050 * MS);
	assert_false(player_waits(&x.play));
	done(&x);
}

/* It is taken back at its end, and does not stand at its last value. */
static void test_a_ramp_for_a_while(void **state)
{
	static const char *const lines[] = { "from 1s to 2s: ramp n0 loss 0% to 10%", NULL };
	struct fixture x;

	start(&x, lines);
	wake_up_until(&x, START + 10 * SEC);
	assert_int_equal(notes.nramps, 9);
	assert_true(notes.ramp_elapsed == 900 * MS && notes.ramp_over == SEC);
	assert_string_equal(notes.text, " +r0 -r0");
	done(&x);
}

/* --------------------------------------------------------- whatever the time */

/* One thing that is to happen. */
struct item {
	uint64_t at_ns;
	bool end;
	uint32_t event, action;
	char name[8];
};

static int by_order(const void *a, const void *b)
{
	const struct item *x = a, *y = b;

	if (x->at_ns != y->at_ns)
		return x->at_ns < y->at_ns ? -1 : 1;
	if (x->end != y->end)
		return x->end ? -1 : 1;
	if (x->event != y->event)
		return x->event < y->event ? -1 : 1;
	return x->action < y->action ? -1 : x->action > y->action;
}

/* All that is to happen up to @end_ns, from the words of the timeline alone. */
static void expect(const struct timeline *t, uint64_t end_ns, char *ret, size_t size)
{
	static struct item items[8192];
	struct text s = text_begin(ret, size);
	uint32_t n = 0;

	for (uint32_t e = 0; e < t->nevents; e++) {
		const struct when *w = &t->events[e].when;
		struct occasion o;

		for (uint64_t k = 0; when_occasion(w, k, &o) && START + o.begin_ns <= end_ns; k++) {
			for (uint32_t i = 0; i < t->events[e].nactions; i++) {
				const struct action *a = &t->events[e].actions[i];
				uint64_t end = o.end_ns;

				if (a->verb == VERB_RAMP && end == WHEN_NEVER)
					end = o.begin_ns + a->ramp.over_ns;
				items[n] = (struct item){ START + o.begin_ns, false, e, i, "" };
				name_of(a, items[n++].name);
				items[n] = (struct item){ START + end, true, e, i, "" };
				name_of(a, items[n].name);
				n += end != WHEN_NEVER && START + end <= end_ns;
			}
		}
	}
	qsort(items, n, sizeof(*items), by_order);
	for (uint32_t i = 0; i < n; i++)
		text_add(&s, " %c%s", items[i].end ? '-' : '+', items[i].name);
	assert_true(s.len < size);
}

static void add_random(struct fixture *x, struct rng *rng, int i)
{
	static const char *const actions[] = { "pause n%d", "mark m%d", "pause n%d; pause n9",
					       "ramp n%d loss 1%% to 2%%" };
	unsigned int from = (unsigned int)rng_below(rng, 6),
		     every = 1 + (unsigned int)rng_below(rng, 4);
	int kind = (int)rng_below(rng, 4), what = (int)rng_below(rng, 4);
	char line[128];
	struct text s = text_begin(line, sizeof(line));

	if (kind == 0)
		text_add(&s, "at %us", from);
	else if (kind == 1)
		text_add(&s, "from %us to %us", from, from + every);
	else if (kind == 2)
		text_add(&s, "every %us from %us to %us", every, from, from + 9);
	else
		text_add(&s, "every %us for %ums from %us", every, every * 500, from);
	if (what == 1 && kind % 2)
		what = 0;
	text_add(&s, ": ");
	text_add(&s, actions[what], i);
	if (what == 3 && kind % 2 == 0)
		text_add(&s, " over %us", 1 + (unsigned int)rng_below(rng, 3));
	add_line(x, line);
}

static void test_it_is_the_same_whenever_the_keeper_wakes_up(void **state)
{
	static char wanted[1 << 16];
	struct rng rng;

	rng_init(&rng, &(struct rng_key){ .seed = 3, .purpose = "player" });
	for (int round = 0; round < 300; round++) {
		const uint64_t end_ns = START + 20 * SEC;
		uint64_t drawn = 0;
		struct fixture x;
		int n = 1 + (int)rng_below(&rng, LINES);

		begin_lab(&x);
		for (int i = 0; i < n; i++)
			add_random(&x, &rng, i);
		expect(&x.timeline, end_ns, wanted, sizeof(wanted));
		/* In time; at once; and at any time. */
		for (int way = 0; way < 3; way++) {
			begin_play(&x);
			if (way == 0)
				wake_up_until(&x, end_ns);
			for (uint64_t now = START; way == 2 && now < end_ns;
			     now += rng_below(&rng, 3 * SEC))
				player_go_on(&x.play, now);
			player_go_on(&x.play, end_ns);
			if (strcmp(notes.text, wanted) != 0)
				fail_msg("round %d, way %d:%s\nnot%s", round, way, notes.text,
					 wanted);
			for (uint32_t i = 1; i < x.play.nsteps; i++)
				assert_true(x.play.steps[i].due_ns >= x.play.steps[i - 1].due_ns);
			/* Chance decides the same. */
			assert_true(way == 0 || notes.drawn == drawn);
			drawn = notes.drawn;
			end_play(&x);
		}
		end_lab(&x);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_at_its_time),
		cmocka_unit_test(test_what_was_missed_is_done_late),
		cmocka_unit_test(test_ends_stand_before_begins_in_the_order_of_the_file),
		cmocka_unit_test(test_marks_and_the_first_packet),
		cmocka_unit_test(test_what_fails_does_not_end),
		cmocka_unit_test(test_a_ramp_goes_step_by_step),
		cmocka_unit_test(test_a_ramp_for_a_while),
		cmocka_unit_test(test_it_is_the_same_whenever_the_keeper_wakes_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
