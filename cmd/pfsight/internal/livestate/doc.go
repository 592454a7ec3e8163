// Package livestate holds what people see of a live capture: sums, rates, the
// newest connections and losses. The sensor writes a State; the page, the API, the
// metrics and the terminal screen read it.
package livestate
