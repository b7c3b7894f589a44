/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xoshiro256** (Blackman and Vigna, "Scrambled linear pseudorandom number generators",
 * 2021), its state filled by splitmix64 as its authors advise. A key is hashed
 * word by word through splitmix64, so streams of neighbouring seeds, links and
 * directions have nothing in common. rng_below() scales by multiplication (Lemire, 2019)
 * without the rejection step: every call draws once, which keeps streams
 * aligned, and the bias is at most n / 2^64.
 */
#include "rng.h"

static uint64_t mix(uint64_t z)
{
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static uint64_t splitmix(uint64_t *state)
{
	*state += 0x9e3779b97f4a7c15u;
	return mix(*state);
}

static uint64_t absorb(uint64_t hash, uint64_t word)
{
	hash ^= mix(word + 0x9e3779b97f4a7c15u);
	return splitmix(&hash);
}

void rng_init(struct rng *rng, const struct rng_key *key)
{
	uint64_t hash = absorb(0, key->seed);

	hash = absorb(hash, key->link);
	hash = absorb(hash, key->dir);
	for (const char *c = key->purpose; *c; c++)
		hash = absorb(hash, (unsigned char)*c);
	for (int i = 0; i < 4; i++)
		rng->s[i] = splitmix(&hash);
}

static uint64_t rotl(uint64_t x, int k)
{
	return (x << k) | (x >> (64 - k));
}

uint64_t rng_next(struct rng *rng)
{
	uint64_t *s = rng->s;
	uint64_t result = rotl(s[1] * 5, 7) * 9;
	uint64_t t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotl(s[3], 45);
	return result;
}

uint64_t rng_below(struct rng *rng, uint64_t n)
{
	return (uint64_t)(((unsigned __int128)rng_next(rng) * n) >> 64);
}
