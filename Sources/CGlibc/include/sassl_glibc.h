// What the programs bring along because the oldest C library that they run on has it in another version.
#pragma once

/// The length of the vector (x, y), as `hypotf(3)` has it. Not exported: nothing but the program itself gets this one.
__attribute__((visibility("hidden"))) float hypotf(float x, float y);
