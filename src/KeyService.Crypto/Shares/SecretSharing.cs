using System.Security.Cryptography;

namespace KeyService.Crypto.Shares;

/// <summary>
/// Splits a secret into shares of which a number is needed, and puts it together again: SLIP-39. What is written is one group; read are all sets of
/// groups that the standard knows.
/// </summary>
public static class SecretSharing
{
    private const int SecretPlace = 255;
    private const int DigestPlace = 254;
    private const int DigestLength = 4;

    /// <summary>Splits a secret into one group of shares.</summary>
    /// <param name="secret">An even number of bytes, 16 to 64.</param>
    /// <param name="threshold">Shares that are needed: 2 to <paramref name="count"/>, or 1 of 1.</param>
    /// <param name="count">Shares, 1 to 16.</param>
    /// <param name="passphrase">Is needed beside the shares, and not checked: with another one another secret comes out. Empty for none.</param>
    /// <param name="iterationExponent">0 to 15; against guessing of the passphrase.</param>
    /// <returns>Each share to be disposed of.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A number is not in its range.</exception>
    public static IReadOnlyList<Share> Split(ReadOnlySpan<byte> secret, int threshold, int count, ReadOnlySpan<byte> passphrase = default, int iterationExponent = 1)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(secret.Length, Share.MinSecretLength, nameof(secret));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(secret.Length, Share.MaxSecretLength, nameof(secret));
        ArgumentOutOfRangeException.ThrowIfNotEqual(secret.Length % 2, 0, nameof(secret));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, ShareSetParameters.MaxCount);
        // One share that is enough by itself is not shared: several of them would be copies that look like shares.
        ArgumentOutOfRangeException.ThrowIfLessThan(threshold, count == 1 ? 1 : 2);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(threshold, count);
        ArgumentOutOfRangeException.ThrowIfNegative(iterationExponent);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(iterationExponent, 15);

        var set = new ShareSetParameters(
            RandomNumberGenerator.GetInt32(1 << ShareSetParameters.IdentifierBits), Extendable: true, iterationExponent, GroupThreshold: 1, GroupCount: 1);
        using var encrypted = new SecretBuffer(secret.Length);
        MasterSecretCipher.Encrypt(secret, passphrase, set, encrypted.DangerousSpan);
        var shares = new List<Share>();
        using var points = new SecretBuffer(threshold * secret.Length);
        Span<byte> places = stackalloc byte[threshold];
        PlacePoints(encrypted.DangerousSpan, places, points.DangerousSpan);
        for (var member = 0; member < count; member++)
        {
            var value = new SecretBuffer(secret.Length);
            if (threshold == 1)
            {
                encrypted.DangerousSpan.CopyTo(value.DangerousSpan);
            }
            else if (member < threshold - 2)
            {
                points.DangerousSpan.Slice(member * secret.Length, secret.Length).CopyTo(value.DangerousSpan);
            }
            else
            {
                ShamirPolynomials.Interpolate((byte)member, places, points.DangerousSpan, value.DangerousSpan);
            }

            shares.Add(new Share(set, groupIndex: 0, member, threshold, value));
        }

        return shares;
    }

    /// <summary>Puts the secret together.</summary>
    /// <param name="shares">As many as are needed or more; what is more is checked against the others.</param>
    /// <param name="at">Which of them is at fault, by its place in the list; -1 when that cannot be told.</param>
    /// <returns>The secret, to be disposed of; null when <paramref name="fault"/> says why there is none.</returns>
    public static SecretBuffer? Combine(IReadOnlyList<Share> shares, ReadOnlySpan<byte> passphrase, out ShareFault fault, out int at)
    {
        if (FindMisfit(shares, out at) is var misfit and not ShareFault.None)
        {
            fault = misfit;
            return null;
        }

        var set = shares[0].Set;
        var complete = shares.GroupBy(share => share.GroupIndex).Where(group => group.Count() >= group.First().MemberThreshold).OrderBy(group => group.Key).ToList();
        if (complete.Count < set.GroupThreshold)
        {
            fault = ShareFault.TooFew;
            return null;
        }

        var length = shares[0].SecretLength;
        using var groups = new SecretBuffer(complete.Count * length);
        Span<byte> places = stackalloc byte[complete.Count];
        Span<byte> memberPlaces = stackalloc byte[ShareSetParameters.MaxCount];
        for (var i = 0; i < complete.Count; i++)
        {
            List<Share> members = [.. complete[i]];
            using var values = new SecretBuffer(members.Count * length);
            for (var j = 0; j < members.Count; j++)
            {
                memberPlaces[j] = (byte)members[j].MemberIndex;
                members[j].Value.CopyTo(values.DangerousSpan[(j * length)..]);
            }

            places[i] = (byte)complete[i].Key;
            if (!TryRecover(members[0].MemberThreshold, memberPlaces[..members.Count], values.DangerousSpan, groups.DangerousSpan.Slice(i * length, length), out var wrong))
            {
                fault = ShareFault.Digest;
                at = wrong < 0 ? -1 : IndexOf(shares, members[wrong]);
                return null;
            }
        }

        using var encrypted = new SecretBuffer(length);
        if (!TryRecover(set.GroupThreshold, places, groups.DangerousSpan, encrypted.DangerousSpan, out _))
        {
            fault = ShareFault.Digest;
            return null;
        }

        var secret = new SecretBuffer(length);
        MasterSecretCipher.Decrypt(encrypted.DangerousSpan, passphrase, set, secret.DangerousSpan);
        fault = ShareFault.None;
        return secret;
    }

    private static ShareFault FindMisfit(IReadOnlyList<Share> shares, out int at)
    {
        var seen = new Dictionary<(int Group, int Member), Share>();
        for (at = 0; at < shares.Count; at++)
        {
            var share = shares[at];
            if (share.Set != shares[0].Set || share.SecretLength != shares[0].SecretLength
                || seen.Values.Any(other => other.GroupIndex == share.GroupIndex && other.MemberThreshold != share.MemberThreshold))
            {
                return ShareFault.OtherSet;
            }

            if (!seen.TryAdd((share.GroupIndex, share.MemberIndex), share))
            {
                return ShareFault.Duplicate;
            }
        }

        at = -1;
        return shares.Count == 0 ? ShareFault.TooFew : ShareFault.None;
    }

    // Random points for the first shares, then the digest and the secret (SLIP-39: SplitSecret).
    private static void PlacePoints(ReadOnlySpan<byte> secret, Span<byte> places, Span<byte> points)
    {
        if (places.Length == 1)
        {
            places[0] = SecretPlace;
            secret.CopyTo(points);
            return;
        }

        for (var i = 0; i < places.Length - 2; i++)
        {
            places[i] = (byte)i;
        }

        var length = secret.Length;
        RandomNumberGenerator.Fill(points[..((places.Length - 2) * length)]);
        places[^2] = DigestPlace;
        var digest = points.Slice((places.Length - 2) * length, length);
        RandomNumberGenerator.Fill(digest[DigestLength..]);
        WriteDigest(secret, digest[DigestLength..], digest[..DigestLength]);
        places[^1] = SecretPlace;
        secret.CopyTo(points[((places.Length - 1) * length)..]);
    }

    // The secret at its place, if the digest says so and the points beyond the threshold lie on the same polynomials (SLIP-39: RecoverSecret).
    private static bool TryRecover(int threshold, ReadOnlySpan<byte> places, ReadOnlySpan<byte> points, Span<byte> secret, out int wrong)
    {
        wrong = -1;
        var length = secret.Length;
        var needed = places[..threshold];
        var values = points[..(threshold * length)];
        using var working = new SecretBuffer((2 * length) + DigestLength);
        var other = working.DangerousSpan[..length];
        if (threshold == 1)
        {
            values.CopyTo(secret);
        }
        else
        {
            ShamirPolynomials.Interpolate(SecretPlace, needed, values, secret);
            ShamirPolynomials.Interpolate(DigestPlace, needed, values, other);
            var expected = working.DangerousSpan[^DigestLength..];
            WriteDigest(secret, other[DigestLength..], expected);
            if (!CryptographicOperations.FixedTimeEquals(expected, other[..DigestLength]))
            {
                return false;
            }
        }

        for (wrong = threshold; wrong < places.Length; wrong++)
        {
            if (threshold == 1)
            {
                values.CopyTo(other);
            }
            else
            {
                ShamirPolynomials.Interpolate(places[wrong], needed, values, other);
            }

            if (!CryptographicOperations.FixedTimeEquals(other, points.Slice(wrong * length, length)))
            {
                return false;
            }
        }

        wrong = -1;
        return true;
    }

    private static void WriteDigest(ReadOnlySpan<byte> secret, ReadOnlySpan<byte> random, Span<byte> digest)
    {
        Span<byte> whole = stackalloc byte[HMACSHA256.HashSizeInBytes];
        HMACSHA256.HashData(random, secret, whole);
        whole[..DigestLength].CopyTo(digest);
        CryptographicOperations.ZeroMemory(whole);
    }

    private static int IndexOf(IReadOnlyList<Share> shares, Share share)
    {
        var at = 0;
        while (!ReferenceEquals(shares[at], share))
        {
            at++;
        }

        return at;
    }
}
