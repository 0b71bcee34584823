"""What a person looks at: charts of frames that `superconv_ray.analysis` makes."""
