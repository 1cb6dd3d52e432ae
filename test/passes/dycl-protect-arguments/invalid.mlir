// RUN: dycl-opt %s --split-input-file --verify-diagnostics --dycl-protect-arguments

// There is no signed constant to make the copy with.
func.func private @region_0(%x: tensor<3xsi32>, %y: tensor<1xsi32>) -> tensor<3xsi32> {
  // expected-error @below {{'tensor.insert_slice' may overwrite argument #0 of its region, and no copy can be made of a tensor of 'si32'}}
  %0 = tensor.insert_slice %y into %x[0] [1] [1] : tensor<1xsi32> into tensor<3xsi32>
  return %0 : tensor<3xsi32>
}

// -----

func.func private @region_0(%y: tensor<1xsi32>) -> (tensor<3xsi32>, tensor<3xsi32>) {
  %0 = "test.source"() : () -> tensor<3xsi32>
  // expected-error @below {{'tensor.insert_slice' may overwrite a tensor that others read, and no copy can be made of a tensor of 'si32'}}
  %1 = tensor.insert_slice %y into %0[0] [1] [1] : tensor<1xsi32> into tensor<3xsi32>
  return %0, %1 : tensor<3xsi32>, tensor<3xsi32>
}
