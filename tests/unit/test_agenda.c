/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The agenda against the simplest one that can be: a search through all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agenda.h"
#include "rng.h"

#define N 100

struct world {
	struct appointment *heap[N + 1];
	struct appointment all[N];
	struct agenda agenda;
	struct rng rng;
};

static int setup(void **state)
{
	static const struct rng_key key = { .seed = 1, .purpose = "agenda" };
	static struct world w;

	w = (struct world){ 0 };
	w.agenda.heap = w.heap;
	rng_init(&w.rng, &key);
	*state = &w;
	return 0;
}

static uint64_t earliest(const struct world *w)
{
	uint64_t at_ns = AGENDA_NEVER;

	for (size_t i = 0; i < N; i++)
		if (w->all[i].place && w->all[i].at_ns < at_ns)
			at_ns = w->all[i].at_ns;
	return at_ns;
}

static void check(const struct world *w)
{
	const struct appointment *first = agenda_first(&w->agenda);
	size_t n = 0;

	for (size_t i = 0; i < N; i++) {
		assert_int_equal(w->all[i].place != 0, w->all[i].at_ns != AGENDA_NEVER);
		n += w->all[i].place != 0;
		if (w->all[i].place)
			assert_ptr_equal(w->heap[w->all[i].place], &w->all[i]);
	}
	assert_int_equal(w->agenda.n, n);
	for (size_t i = 2; i <= n; i++)
		assert_true(w->heap[i / 2]->at_ns <= w->heap[i]->at_ns);
	assert_int_equal(first ? first->at_ns : AGENDA_NEVER, earliest(w));
}

static void test_agenda_of_nobody_has_no_first(void **state)
{
	struct world *w = *state;
	struct appointment p = { 0 };

	assert_null(agenda_first(&w->agenda));
	agenda_put(&w->agenda, &p, AGENDA_NEVER); /* who is not in it leaves nothing behind */
	assert_null(agenda_first(&w->agenda));
	agenda_put(&w->agenda, &p, 7);
	assert_ptr_equal(agenda_first(&w->agenda), &p);
	agenda_put(&w->agenda, &p, AGENDA_NEVER);
	assert_null(agenda_first(&w->agenda));
}

static void test_agenda_has_the_earliest_first_whatever_moves(void **state)
{
	struct world *w = *state;

	for (size_t i = 0; i < N; i++)
		w->all[i].at_ns = AGENDA_NEVER;
	for (int turn = 0; turn < 20000; turn++) {
		struct appointment *p = &w->all[rng_below(&w->rng, N)];
		/* Few values, so that there are equal ones; a quarter are cancelled. */
		uint64_t at_ns = rng_below(&w->rng, 4) ? rng_below(&w->rng, 50) : AGENDA_NEVER;

		agenda_put(&w->agenda, p, at_ns);
		check(w);
	}
}

static void test_agenda_empties_in_order(void **state)
{
	struct world *w = *state;
	uint64_t last_ns = 0;

	for (size_t i = 0; i < N; i++)
		agenda_put(&w->agenda, &w->all[i], rng_below(&w->rng, 1000));
	for (size_t i = 0; i < N; i++) {
		struct appointment *p = agenda_first(&w->agenda);

		assert_non_null(p);
		assert_true(p->at_ns >= last_ns);
		last_ns = p->at_ns;
		agenda_put(&w->agenda, p, AGENDA_NEVER);
	}
	assert_null(agenda_first(&w->agenda));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_agenda_of_nobody_has_no_first, setup),
		cmocka_unit_test_setup(test_agenda_has_the_earliest_first_whatever_moves, setup),
		cmocka_unit_test_setup(test_agenda_empties_in_order, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
