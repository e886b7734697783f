/// The version of `sassld` and `sasslctl`.
package let programVersion = "0.1.0"
