[
  inputs: ["mix.exs", ".formatter.exs", "{lib,test,bench,conformance}/**/*.{ex,exs}"],
  line_length: 110
]
