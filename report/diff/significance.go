package diff

import "math"

// alpha is the significance level of all tests together: the probability of a
// false positive, after Holm's correction for the number of tests.
const alpha = 0.05

// smallest is the expected count below which Fisher's exact test replaces the
// two-proportion test.
const smallest = 5

// A sample is a share as a test uses it. Connections of one client are
// correlated, so they count as fewer independent ones. n is the effective
// sample size: connections divided by the design effect.
type sample struct{ x, n float64 }

// sums are the sums over clients that a sample needs. Each client has n
// connections, of which x are in the share. The fields are the number of
// clients and the sums of n, n*n, x*x and x*n.
type sums struct{ clients, n, nn, xx, xn float64 }

// effective returns the sample of a share of x among n connections. The design
// effect is the ratio of the variance between clients to the variance of
// independent connections. It is at least 1, and at most its value for clients
// whose connections are all alike. If the share is 0 or 1, there is no variance
// to measure, and that maximum is used.
func effective(x, n float64, s sums) (sample, bool) {
	if s.clients < 2 {
		return sample{}, false // one client gives no variance between clients
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

// pValue returns the two-sided p-value of the difference of a and b.
func pValue(a, b sample) float64 {
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

// fisher returns the two-sided p-value of Fisher's exact test: the probability
// of all tables with the same margins that are at most as probable as this one.
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

// choose returns the logarithm of the binomial coefficient.
func choose(n, k int) float64 {
	a, _ := math.Lgamma(float64(n + 1))
	b, _ := math.Lgamma(float64(k + 1))
	c, _ := math.Lgamma(float64(n - k + 1))
	return a - b - c
}

// holm applies the Holm-Bonferroni correction to ascending p-values, in place.
func holm(p []float64) {
	least := 0.0
	for i := range p {
		least = max(least, min(1, p[i]*float64(len(p)-i)))
		p[i] = least
	}
}
