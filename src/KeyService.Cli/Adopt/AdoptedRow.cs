using System.Security.Cryptography;

namespace KeyService.Cli.Adopt;

/// <summary>A row on the way through the command: where it is, its key, and what was read of each column.</summary>
/// <param name="Position">Its <c>ctid</c>, good while the row is locked.</param>
/// <param name="Key">Its primary key in text.</param>
/// <param name="Values">What was read, in the order asked for; null where SQL has NULL.</param>
internal sealed record AdoptedRow(string Position, string[] Key, byte[]?[] Values) : IDisposable
{
    public string KeyText => string.Join(", ", Key);

    /// <summary>Forgets the values.</summary>
    public void Dispose()
    {
        foreach (var value in Values)
        {
            CryptographicOperations.ZeroMemory(value);
        }
    }
}
