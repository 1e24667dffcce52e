"""The page: texts in two languages, views of pictures at their own pixels, jobs, and one module per tab."""
