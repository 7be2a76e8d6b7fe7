// Asks for the sample twice, over a map as store, and for a row that is refused:
//
//	go run . credit-library.wasm
package main

import (
	"fmt"
	"os"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: example COMPONENT.wasm")
		os.Exit(2)
	}
	predictor, err := Open(os.Args[1], Map{})
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", os.Args[1], err)
		os.Exit(1)
	}
	defer predictor.Close()
	row := Row{
		"installment_rate_in_percentage_of_disposable_income": 0.25,
		"age_in_years":             30,
		"foreign_worker":           "yes",
		"present_employment_since": "unemployed",
		"personal_status_and_sex":  "male: single",
	}
	for _, age := range []int{30, 30, 17} {
		row["age_in_years"] = age
		outputs, status, err := predictor.Predict(row)
		if err != nil {
			fmt.Println("refused:", err)
			continue
		}
		fmt.Printf("%.9g | %s\n", outputs[0], status)
	}
}
