using System.Buffers.Binary;

namespace KeyService.Fuzz.Engine;

/// <summary>
/// Makes a new input of an old one: bits, bytes, blocks, integers in both byte orders, lengths moved together with what they measure, pieces of
/// other inputs, words of the format, bad UTF-8, overlong varints.
/// </summary>
internal sealed class Mutator(FuzzTarget target, FuzzRandom random)
{
    /// <param name="input">Is not changed.</param>
    /// <param name="corpus">Where pieces of others come from.</param>
    public byte[] Mutate(byte[] input, IReadOnlyList<byte[]> corpus)
    {
        byte[] mutated = [.. input];
        int changes = 1 + random.Below(1 << random.Below(4));
        for (int i = 0; i < changes; i++)
        {
            mutated = One(mutated, corpus);
        }
        if (mutated.Length > target.MaxLength)
        {
            mutated = mutated[..target.MaxLength];
        }
        if (target.Repair is { } repair && random.OneIn(2))
        {
            repair(mutated);
        }
        return mutated;
    }

    private byte[] One(byte[] input, IReadOnlyList<byte[]> corpus)
    {
        if (input.Length == 0)
        {
            return random.Bytes(random.Length(64));
        }
        return random.Below(16) switch
        {
            0 or 1 => FlipBit(input),
            2 => SetByte(input),
            3 => Insert(input, random.Bytes(random.Length(32))),
            4 => Delete(input),
            5 => Insert(input, Block(input)),
            6 => Overwrite(input, Block(input)),
            7 => Overwrite(input, Block(random.Of(corpus))),
            8 => Splice(input, random.Of(corpus)),
            9 => Arithmetic(input),
            10 => Number(input),
            11 => MoveLength(input),
            12 => input[..random.Below(input.Length)],
            13 => Place(input, target.Words.Count > 0 ? random.Of(target.Words) : random.Of(MagicValues.Texts)),
            14 => Place(input, random.Of(MagicValues.Texts)),
            _ => Place(input, random.Of(MagicValues.Varints)),
        };
    }

    private byte[] FlipBit(byte[] input)
    {
        input[random.Below(input.Length)] ^= (byte)(1 << random.Below(8));
        return input;
    }

    private byte[] SetByte(byte[] input)
    {
        input[random.Below(input.Length)] = random.OneIn(2) ? (byte)random.Next() : (byte)random.Of(MagicValues.Numbers);
        return input;
    }

    private byte[] Insert(byte[] input, byte[] block)
    {
        int at = random.Below(input.Length + 1);
        return [.. input.AsSpan(0, at), .. block, .. input.AsSpan(at)];
    }

    private byte[] Delete(byte[] input)
    {
        int length = Math.Min(random.Length(input.Length), input.Length);
        int at = random.Below(input.Length - length + 1);
        return [.. input.AsSpan(0, at), .. input.AsSpan(at + length)];
    }

    private byte[] Overwrite(byte[] input, byte[] block)
    {
        int at = random.Below(input.Length);
        block.AsSpan(0, Math.Min(block.Length, input.Length - at)).CopyTo(input.AsSpan(at));
        return input;
    }

    private byte[] Place(byte[] input, byte[] block) => random.OneIn(2) ? Insert(input, block) : Overwrite(input, block);

    private byte[] Splice(byte[] input, byte[] other) =>
        [.. input.AsSpan(0, random.Below(input.Length + 1)), .. other.AsSpan(random.Below(other.Length + 1))];

    private byte[] Block(byte[] from)
    {
        if (from.Length == 0)
        {
            return [];
        }
        int length = Math.Min(random.Length(from.Length), from.Length);
        int at = random.Below(from.Length - length + 1);
        return from[at..(at + length)];
    }

    // A number where it stands, a little more or less.
    private byte[] Arithmetic(byte[] input)
    {
        (int at, int width) = NumberPlace(input);
        ulong by = (ulong)(random.Below(71) - 35);
        Write(input.AsSpan(at, width), bigEndian: random.Below(4) > 0, change: value => value + by);
        return input;
    }

    private byte[] Number(byte[] input)
    {
        (int at, int width) = NumberPlace(input);
        ulong number = random.Below(4) switch
        {
            0 => (ulong)input.Length,
            1 => (ulong)(input.Length - at - width) + (ulong)(random.Below(3) - 1),
            _ => random.Of(MagicValues.Numbers),
        };
        Write(input.AsSpan(at, width), bigEndian: random.Below(4) > 0, change: _ => number);
        return input;
    }

    // Looks for a number that could be the length of what follows it, and grows or shrinks both together: then the form stays whole.
    private byte[] MoveLength(byte[] input)
    {
        int width = 1 << random.Below(3);
        for (int tries = 0; tries < 16 && input.Length > width; tries++)
        {
            int at = random.Below(input.Length - width);
            ulong length = Read(input.AsSpan(at, width));
            int room = input.Length - at - width;
            if (length > (ulong)room)
            {
                continue;
            }
            int shrink = Math.Min((int)length, random.Length(16));
            byte[] moved = random.OneIn(2)
                ? [.. input.AsSpan(0, at + width), .. random.Bytes(shrink), .. input.AsSpan(at + width)]
                : [.. input.AsSpan(0, at + width), .. input.AsSpan(at + width + shrink)];
            ulong now = length + (ulong)(moved.Length - input.Length);
            Write(moved.AsSpan(at, width), bigEndian: true, change: _ => now);
            return moved;
        }
        return Delete(input);
    }

    private (int At, int Width) NumberPlace(byte[] input)
    {
        int width = Math.Min(1 << random.Below(4), input.Length);
        width = width is 1 or 2 or 4 or 8 ? width : 1;
        return (random.Below(input.Length - width + 1), width);
    }

    private static ulong Read(ReadOnlySpan<byte> place)
    {
        ulong value = 0;
        foreach (byte digit in place)
        {
            value = (value << 8) | digit;
        }
        return value;
    }

    private static void Write(Span<byte> place, bool bigEndian, Func<ulong, ulong> change)
    {
        if (!bigEndian)
        {
            place.Reverse();
        }
        Span<byte> bytes = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64BigEndian(bytes, change(Read(place)));
        bytes[^place.Length..].CopyTo(place);
        if (!bigEndian)
        {
            place.Reverse();
        }
    }
}
