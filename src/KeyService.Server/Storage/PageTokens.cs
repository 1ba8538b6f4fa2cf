using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using KeyService.Crypto;

namespace KeyService.Server.Storage;

/// <summary>
/// Page tokens that only this installation can make and that fit only the list and the filter they were made for: base64url of the cursor's
/// UTF-8 and 16 bytes of MAC by the integrity key over list, filter and cursor. They outlive a restart and hold no state here.
/// </summary>
internal sealed class PageTokens(RowAuthenticator rows)
{
    private const int MacLength = 16;
    private const int MaxTokenLength = 1024;

    /// <param name="list">The method, for example "ListGrants".</param>
    /// <param name="filter">What the request filtered by; empty when nothing.</param>
    /// <param name="cursor">Where the next page begins.</param>
    public async ValueTask<string> SealAsync(string list, string filter, string cursor, CancellationToken cancellationToken)
    {
        var mac = await rows.MacAsync(Canonical(list, filter, cursor), cancellationToken);
        return Base64Url.EncodeToString([.. Encoding.UTF8.GetBytes(cursor), .. mac.AsSpan(0, MacLength)]);
    }

    /// <summary>The cursor, or null when the token was not made here for this list and filter.</summary>
    public async ValueTask<string?> OpenAsync(string list, string filter, string token, CancellationToken cancellationToken)
    {
        if (token.Length > MaxTokenLength || !Base64Url.IsValid(token, out var length) || length < MacLength)
        {
            return null;
        }

        // The decoder forgives white space, padding and stray bits: a token has one way of being written.
        var bytes = Base64Url.DecodeFromChars(token);
        if (Base64Url.EncodeToString(bytes) != token)
        {
            return null;
        }

        var cursor = Encoding.UTF8.GetString(bytes.AsSpan(0, bytes.Length - MacLength));
        var mac = await rows.MacAsync(Canonical(list, filter, cursor), cancellationToken);
        return CryptographicOperations.FixedTimeEquals(mac.AsSpan(0, MacLength), bytes.AsSpan(bytes.Length - MacLength)) ? cursor : null;
    }

    private static byte[] Canonical(string list, string filter, string cursor) =>
        RowMac.Row("page-token").AddString(list).AddString(filter).AddString(cursor).ToArray();
}
