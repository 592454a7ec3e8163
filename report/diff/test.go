package diff

import "math"

// Alpha is the chance of calling at least one of all shares changed where
// none is: the level of the tests, after Holm's correction for their number.
const Alpha = 0.05

// smallest is the expected count below which Fisher's exact test takes the
// place of the two-proportion test.
const smallest = 5

// A sample is a share as a test sees it. Connections of one client are alike,
// so they count for less than as many independent ones: n is the effective
// number, the connections divided by the design effect.
type sample struct{ x, n float64 }

// sums are what a test needs of clients: how many there are, and of each one's
// connections n, of which x are in the share, the sums of n, n*n, x*x and x*n.
type sums struct{ clients, n, nn, xx, xn float64 }

// effective makes a sample of a share: x of n connections. The design effect is
// the ratio of the variance that the clients show to that of independent
// connections; it is at least 1, and at most that of clients which each do
// always the same. Where the share is nothing or all there is no variance to
// see, and the latter is taken.
func effective(x, n float64, s sums) (sample, bool) {
	if s.clients < 2 {
		return sample{}, false // one client: nothing can be told of others
	}
	p := x / n
	most := s.nn / s.n
	effect := most
	if x > 0 && x < n {
		v := max(0, s.xx-2*p*s.xn+p*p*s.nn) * s.clients / (s.clients - 1) / (s.n * s.n)
		effect = min(max(v/(p*(1-p)/s.n), 1), most)
	}
	return sample{x / effect, n / effect}, true
}

// chance returns the probability of a difference like that of a and b, or a
// greater one, if there were none (two-sided).
func chance(a, b sample) float64 {
	p := (a.x + b.x) / (a.n + b.n)
	if p <= 0 || p >= 1 {
		return 1
	}
	if min(a.n, b.n)*min(p, 1-p) < smallest {
		return fisher(int(math.Round(a.x)), int(math.Round(a.n)), int(math.Round(b.x)), int(math.Round(b.n)))
	}
	z := (a.x/a.n - b.x/b.n) / math.Sqrt(p*(1-p)*(1/a.n+1/b.n))
	return math.Erfc(math.Abs(z) / math.Sqrt2)
}

// fisher is Fisher's exact test, two-sided: the probability of all tables with
// the same sums that are no more probable than this one.
func fisher(x1, n1, x2, n2 int) float64 {
	if n1 > n2 {
		x1, n1, x2, n2 = x2, n2, x1, n1
	}
	k := x1 + x2
	log := func(x int) float64 { return choose(n1, x) + choose(n2, k-x) - choose(n1+n2, k) }
	this := log(x1)
	p := 0.0
	for x := max(0, k-n2); x <= min(k, n1); x++ {
		if l := log(x); l <= this+1e-7 {
			p += math.Exp(l)
		}
	}
	return min(p, 1)
}

// choose is the logarithm of the binomial coefficient.
func choose(n, k int) float64 {
	a, _ := math.Lgamma(float64(n + 1))
	b, _ := math.Lgamma(float64(k + 1))
	c, _ := math.Lgamma(float64(n - k + 1))
	return a - b - c
}

// holm corrects probabilities, ascending, for being many.
func holm(p []float64) {
	least := 0.0
	for i := range p {
		least = max(least, min(1, p[i]*float64(len(p)-i)))
		p[i] = least
	}
}
