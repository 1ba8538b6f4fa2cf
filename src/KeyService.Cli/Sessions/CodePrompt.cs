using System.Security.Cryptography;
using KeyService.Cli.CommandLine;
using KeyService.Crypto;

namespace KeyService.Cli.Sessions;

/// <summary>Reads a code of the second factor. Never an argument, which other users of the machine could see.</summary>
internal static class CodePrompt
{
    /// <summary>6 ASCII digits; blanks between them, as applications show them, are left out.</summary>
    public static byte[] Read()
    {
        using var input = SecretInput.Open();
        var digits = input.ReadLine("Code: ");
        if (OneTimePassword.TryParse(digits, out _))
        {
            return digits;
        }
        CryptographicOperations.ZeroMemory(digits);
        throw CliError.Usage(
            $"That is no code: it has {OneTimePassword.Digits} digits.", "Give the one that the authenticator application shows, on the terminal or in the first line of stdin.");
    }
}
