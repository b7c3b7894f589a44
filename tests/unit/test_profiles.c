/* SPDX-License-Identifier: GPL-2.0-or-later */
/* choppy profiles: what it prints of each is what the name does in a condition. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"

/* Run `choppy profiles ARGUMENTS`; what it prints on either stream. Free it. */
static char *profiles(int status, const char *argument, const char *more)
{
	char *argv[] = { "choppy", "profiles", (char *)argument, (char *)more, NULL };
	int argc = 2 + (argument != NULL) + (more != NULL);
	char *text;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	assert_non_null(f);
	assert_int_equal(cmd_main(argc, argv, f, f), status);
	fclose(f);
	return text;
}

/* The words that stand behind @label in @text are the condition @c. */
static void check_words(const char *text, const char *label, const struct choppy_condition *c)
{
	char head[32], words[1024], buf[1024], *end;
	struct choppy_condition dir[CHOPPY_NDIRS];
	const char *list[512], *at;
	int n;

	snprintf(head, sizeof(head), "    %-8s  ", label);
	at = strstr(text, head);
	assert_non_null(at);
	snprintf(words, sizeof(words), "%s", at + strlen(head));
	/* it may be wrapped; the next label stands four columns in */
	for (end = strchr(words, '\n'); end && strncmp(end + 1, "     ", 5) == 0;)
		end = strchr(end + 1, '\n');
	assert_non_null(end);
	*end = '\0';
	n = choppy_words_split(buf, list, words);
	assert_true(n > 0);
	assert_int_equal(choppy_condition_parse(dir, NULL, n, list, NULL), 0);
	assert_memory_equal(&dir[CHOPPY_UP], c, sizeof(*c));
}

static void test_each_is_what_its_name_does(void **state)
{
	const struct choppy_profile *p;
	struct choppy_condition dir[CHOPPY_NDIRS];
	bool same;
	char *text;

	for (p = choppy_profiles(); p->name; p++) {
		print_message("# %s\n", p->name);
		assert_int_equal(choppy_condition_parse(dir, NULL, 1, &p->name, NULL), 0);
		same = memcmp(&dir[CHOPPY_UP], &dir[CHOPPY_DOWN], sizeof(dir[0])) == 0;
		text = profiles(STATUS_OK, p->name, NULL);
		assert_int_equal(strncmp(text, p->name, strlen(p->name)), 0);
		check_words(text, same ? "each way" : "up", &dir[CHOPPY_UP]);
		check_words(text, same ? "each way" : "down", &dir[CHOPPY_DOWN]);
		free(text);
	}
}

static void test_without_a_name_all_of_them(void **state)
{
	const struct choppy_profile *p;
	char *text = profiles(STATUS_OK, NULL, NULL), *json = profiles(STATUS_OK, "--json", NULL);
	char *one, part[128];

	assert_int_equal(json[0], '[');
	for (p = choppy_profiles(); p->name; p++) {
		one = profiles(STATUS_OK, p->name, NULL);
		assert_non_null(strstr(text, one));
		free(one);
		snprintf(part, sizeof(part), "\"name\": \"%s\"", p->name);
		assert_non_null(strstr(json, part));
	}
	free(text);
	free(json);
}

static void test_json(void **state)
{
	char *text = profiles(STATUS_OK, "--json", "very-bad");

	assert_string_equal(text, "{\n"
				  "  \"name\": \"very-bad\",\n"
				  "  \"words\": \"rate 1mbit delay 500ms loss 10%\",\n"
				  "  \"up\": \"delay 500ms loss 10% rate 1mbit\",\n"
				  "  \"down\": \"delay 500ms loss 10% rate 1mbit\",\n"
				  "  \"help\": \"slow, far and lossy\",\n"
				  "  \"source\": \"Apple Network Link Conditioner, Very Bad "
				  "Network\"\n"
				  "}\n");
	free(text);
}

static void test_unknown_names(void **state)
{
	char *text = profiles(CHOPPY_EXIT_USAGE, "very-bda", NULL);

	assert_string_equal(text, "choppy profiles: there is no profile 'very-bda'; did you mean "
				  "'very-bad'?\n");
	free(text);
	text = profiles(CHOPPY_EXIT_USAGE, "zzzzzzz", NULL);
	assert_string_equal(text, "choppy profiles: there is no profile 'zzzzzzz'; 'choppy "
				  "profiles' lists them\n");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_is_what_its_name_does),
		cmocka_unit_test(test_without_a_name_all_of_them),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_unknown_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
